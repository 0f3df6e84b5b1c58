import { ClassId, type TimeClass, timeClasses } from '../timeline/classes.js'
import { holdsTimes } from '../timeline/fractions.js'
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
/** By class id. */
const rankOfClass = timeClasses.map((name) => progressOrder.indexOf(name))

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

holdsTimes(newTaskTime(0), 'countedNs', 'unattendedNs', 'goroutineNs', 'cpuNs')

/** A piece of the life of a goroutine that works for the task. */
export function addPiece(time: TaskTime, goid: number, fromNs: number, toNs: number, classId: number): void {
  const { workers, pending } = time
  time.goroutineNs += toNs - fromNs
  if (classId === ClassId.on_cpu || classId === ClassId.syscall_cpu) time.cpuNs += toNs - fromNs
  if (workers.size === 1 && pending.length === 0) {
    time.unattendedNs += fromNs - time.countedNs
    time.byClass[classId]! += toNs - fromNs
    time.countedNs = toNs
    return
  }
  workers.set(goid, toNs)
  pending.push(fromNs, toNs, classId)
  if (pending.length < time.sweepAt) return
  countTo(time, Math.min(...workers.values()))
  time.sweepAt = Math.max(sweepFrom, 2 * time.pending.length)
}

/** Gives every instant up to `toNs` to one class. Every piece that begins before must have arrived. */
export function countTo(time: TaskTime, toNs: number): void {
  if (toNs <= time.countedNs) return
  const { pending } = time
  if (pending.length > 0) {
    edges.clear()
    const left: number[] = []
    for (let i = 0; i < pending.length; i += 3) {
      const fromNs = pending[i]!
      const endNs = pending[i + 1]!
      const classId = pending[i + 2]!
      if (fromNs < toNs) edges.add(fromNs, Math.min(endNs, toNs), classId)
      if (endNs > toNs) left.push(Math.max(fromNs, toNs), endNs, classId)
    }
    edges.giveTo(time)
    time.pending = left
  }
  give(time, toNs, 0)
}

/** Where pieces begin and end. Used again, as tasks are many and short. */
class Edges {
  private count = 0
  private atNs = new Float64Array(64)
  /** Rank of the class in `progressIds` at a begin, its complement at an end. */
  private ranks = new Int32Array(64)
  /** Pieces of each rank at the moment that is looked at. */
  private readonly active = new Int32Array(progressIds.length)

  clear(): void {
    this.count = 0
  }

  add(fromNs: number, toNs: number, classId: number): void {
    if (this.count + 2 > this.atNs.length) this.grow()
    const rank = rankOfClass[classId]!
    this.insert(fromNs, rank)
    this.insert(toNs, ~rank)
  }

  giveTo(time: TaskTime): void {
    const { active, count } = this
    active.fill(0)
    /** A bit for each rank that is active. */
    let ranks = 0
    if (count > insertedMost) this.sort()
    const { atNs } = this
    for (let i = 0; i < count; i++) {
      give(time, atNs[i]!, ranks)
      const rank = this.ranks[i]!
      if (rank >= 0) {
        active[rank]!++
        ranks |= 1 << rank
      } else if (--active[~rank]! === 0) ranks &= ~(1 << ~rank)
    }
  }

  /** Pieces come nearly in order, and those of a short task are few: then each finds its place at once. */
  private insert(atNs: number, rank: number): void {
    let i = this.count++
    if (i < insertedMost) {
      for (; i > 0 && this.atNs[i - 1]! > atNs; i--) {
        this.atNs[i] = this.atNs[i - 1]!
        this.ranks[i] = this.ranks[i - 1]!
      }
    }
    this.atNs[i] = atNs
    this.ranks[i] = rank
  }

  private sort(): void {
    const { atNs, ranks } = this
    const order = Array.from({ length: this.count }, (_, i) => i).sort((a, b) => atNs[a]! - atNs[b]!)
    this.atNs = Float64Array.from(order, (i) => atNs[i]!)
    this.ranks = Int32Array.from(order, (i) => ranks[i]!)
  }

  private grow(): void {
    const { atNs, ranks } = this
    this.atNs = new Float64Array(2 * atNs.length)
    this.atNs.set(atNs)
    this.ranks = new Int32Array(2 * ranks.length)
    this.ranks.set(ranks)
  }
}

const insertedMost = 64
const edges = new Edges()

/** Gives the time until `toNs` to the first of the classes whose ranks are set. */
function give(time: TaskTime, toNs: number, ranks: number): void {
  const ns = toNs - time.countedNs
  if (ns <= 0) return
  time.countedNs = toNs
  if (ranks === 0) time.unattendedNs += ns
  else time.byClass[progressIds[31 - Math.clz32(ranks & -ranks)]!]! += ns
}
