import { ClassId, type TimeClass } from '../timeline/classes.js'
import { noTimes } from './classColumns.js'

/**
 * When several goroutines work for a task, an instant counts for the one furthest in making progress. What may be progress (`unknown`)
 * comes before what is none; a wait for another goroutine comes last, because that other one usually works for the task as well.
 */
export const progressOrder: readonly TimeClass[] = [
  'on_cpu',
  'syscall_cpu',
  'unknown',
  'gc_assist',
  'syscall_blocked',
  'fault_io',
  'sched_wait_kernel',
  'cpu_stolen',
  'runtime_futex',
  'stw',
  'sched_wait',
  'net_wait',
  'sleep',
  'sync_wait',
  'system_wait',
]
const progressIds = progressOrder.map((name) => ClassId[name])

/** Pieces kept before it is tried to count them. */
const sweepFrom = 3 * 1024

/**
 * Where a task's time goes, as plain data. Pieces of its goroutines arrive when they end, in no common order: they wait in `pending` until
 * everything before them is known.
 */
export interface TaskTime {
  /** Goroutines that work for it now, each with the time up to which its pieces have arrived. */
  readonly workers: Map<number, number>
  /** Pieces not yet counted: from, to, class id, and so on. */
  pending: number[]
  sweepAt: number
  /** Everything before is counted, in `byClass` or as `unattendedNs`. */
  countedNs: number
  readonly byClass: number[]
  /** Nobody worked for it. */
  unattendedNs: number
  /** Summed over goroutines: more than the duration when several worked at once. */
  goroutineNs: number
  /** Of which on a CPU. */
  cpuNs: number
}

export function newTaskTime(beginNs: number): TaskTime {
  return {
    workers: new Map(),
    pending: [],
    sweepAt: sweepFrom,
    countedNs: beginNs,
    byClass: noTimes(),
    unattendedNs: 0,
    goroutineNs: 0,
    cpuNs: 0,
  }
}

/** A piece of the life of a goroutine that works for the task. */
export function addPiece(time: TaskTime, goid: number, fromNs: number, toNs: number, classId: number): void {
  const { workers, pending } = time
  workers.set(goid, toNs)
  time.goroutineNs += toNs - fromNs
  if (classId === ClassId.on_cpu || classId === ClassId.syscall_cpu) time.cpuNs += toNs - fromNs
  if (workers.size === 1 && pending.length === 0) {
    time.unattendedNs += fromNs - time.countedNs
    time.byClass[classId]! += toNs - fromNs
    time.countedNs = toNs
    return
  }
  pending.push(fromNs, toNs, classId)
  if (pending.length < time.sweepAt) return
  countTo(time, Math.min(...workers.values()))
  time.sweepAt = Math.max(sweepFrom, 2 * time.pending.length)
}

/** Gives every instant up to `toNs` to one class. Every piece that begins before must have arrived. */
export function countTo(time: TaskTime, toNs: number): void {
  if (toNs <= time.countedNs) return
  const { pending } = time
  if (pending.length === 0) {
    time.unattendedNs += toNs - time.countedNs
    time.countedNs = toNs
    return
  }
  const edges: [atNs: number, classId: number, change: number][] = []
  const left: number[] = []
  for (let i = 0; i < pending.length; i += 3) {
    const fromNs = pending[i]!
    const endNs = pending[i + 1]!
    const classId = pending[i + 2]!
    if (fromNs < toNs) edges.push([fromNs, classId, 1], [Math.min(endNs, toNs), classId, -1])
    if (endNs > toNs) left.push(Math.max(fromNs, toNs), endNs, classId)
  }
  edges.sort((a, b) => a[0] - b[0])
  const active = noTimes()
  for (const [atNs, classId, change] of edges) {
    give(time, active, atNs)
    active[classId]! += change
  }
  give(time, active, toNs)
  time.pending = left
}

function give(time: TaskTime, active: readonly number[], toNs: number): void {
  const ns = toNs - time.countedNs
  if (ns <= 0) return
  time.countedNs = toNs
  for (const classId of progressIds) {
    if (active[classId] === 0) continue
    time.byClass[classId]! += ns
    return
  }
  time.unattendedNs += ns
}
