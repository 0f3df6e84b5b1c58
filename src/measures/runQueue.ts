import { Kernel } from '../timeline/classes.js'
import { holdsTimes } from '../timeline/fractions.js'
import type { Measure } from './measure.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'

export const runQueueTable: Table = {
  name: 'run_queue',
  doc: 'Threads that wanted a CPU and had none, in the second in which they got one: the worst, and the rest as two, by whether they ran goroutines',
  columns: [
    {
      name: 'tid',
      type: 'long',
      doc: 'thread; -1 = the rest of those that ran goroutines, -2 = the rest of those that ran none',
    },
    { name: 'wait_ns', type: 'long', doc: 'woken or preempted until switched in, summed, ns' },
    { name: 'wakes', type: 'long', doc: 'times it was woken and switched in' },
    { name: 'woken_ns', type: 'long', doc: 'of wait_ns, woken to switched in, ns' },
    { name: 'preemptions', type: 'long', doc: 'times it was preempted and switched in again' },
    { name: 'preempted_ns', type: 'long', doc: 'of wait_ns, preempted to switched in, ns' },
    {
      name: 'idle_ns',
      type: 'long',
      doc: 'of preempted_ns, the kernel left its CPU idle instead: a thread that wants to run is kept off an idle CPU when its cgroup has used up its quota, ns',
    },
    { name: 'own_ns', type: 'long', doc: 'of preempted_ns, the kernel ran another thread of the service instead, ns' },
    { name: 'max_ns', type: 'long', doc: 'longest single wait, ns' },
    {
      name: 'goroutines',
      type: 'long',
      doc: 'times it began to run a goroutine in this second, or to run it again after a preemption; 0: it is sysmon or only looked for work, or there is no Go trace',
    },
    {
      name: 'instead',
      type: 'symbol',
      doc: 'name of the thread of somebody else that the kernel switched to when it preempted this one, that with the most time; null when there was none, or none was told',
    },
  ],
  keys: ['tid'],
  ttlDays: 30,
}

/** So many threads a second have a row of their own. */
const threadsShown = 20
/** Instead of the thread, in rows of several; the timeline has no thread with such an id. */
const restWithGoroutines = -1
const restWithout = -2

interface Waits {
  wakes: number
  wokenNs: number
  preemptions: number
  preemptedNs: number
  idleNs: number
  ownNs: number
  maxNs: number
  goroutines: number
  /** Thread name of somebody else → ns. */
  readonly instead: Map<string, number>
}

export const runQueue: Measure = {
  name: 'run_queue',
  tables: [runQueueTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<Map<number, Waits>>
    const buckets = new Buckets(state, sink, () => new Map<number, Waits>())
    const waitsOf = (tid: number, atNs: number): Waits => {
      const byThread = buckets.at(atNs)
      let waits = byThread.get(tid)
      if (waits === undefined) byThread.set(tid, (waits = noWaits()))
      return waits
    }
    return {
      state,
      switchedIn({ tid }, wakeNs, inNs) {
        const waits = waitsOf(tid, inNs)
        waits.wakes++
        waits.wokenNs += inNs - wakeNs
        waits.maxNs = Math.max(waits.maxNs, inNs - wakeNs)
      },
      started({ tid }, _runnableNs, startNs) {
        waitsOf(tid, startNs).goroutines++
      },
      offCpu({ thread, goroutine, fromNs, toNs, kernel }) {
        if (kernel !== Kernel.Preempted) return
        const waits = waitsOf(thread.tid, toNs)
        const ns = toNs - fromNs
        waits.preemptions++
        if (goroutine !== undefined) waits.goroutines++
        waits.preemptedNs += ns
        waits.maxNs = Math.max(waits.maxNs, ns)
        if (thread.nextTid === 0) waits.idleNs += ns
        else if (thread.nextIsOwn) waits.ownNs += ns
        else if (thread.nextTid > 0) waits.instead.set(thread.nextComm, (waits.instead.get(thread.nextComm) ?? 0) + ns)
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          const waited = [...bucket].filter(([, { wakes, preemptions }]) => wakes + preemptions > 0)
          waited.sort((a, b) => totalNs(b[1]) - totalNs(a[1]) || a[0] - b[0])
          const rest = waited.splice(threadsShown).map(([, waits]) => waits)
          for (const [tid, waits] of waited) sink.row(runQueueTable, startNs, { tid, ...valuesOf(waits) })
          const busy = rest.filter(ranGoroutines)
          const aside = rest.filter((waits) => !ranGoroutines(waits))
          if (busy.length > 0) sink.row(runQueueTable, startNs, { tid: restWithGoroutines, ...valuesOf(merge(busy)) })
          if (aside.length > 0) sink.row(runQueueTable, startNs, { tid: restWithout, ...valuesOf(merge(aside)) })
        }
      },
    }
  },
}

function noWaits(): Waits {
  return {
    ...{ wakes: 0, wokenNs: 0, preemptions: 0, preemptedNs: 0, idleNs: 0, ownNs: 0, maxNs: 0, goroutines: 0 },
    instead: new Map(),
  }
}
holdsTimes(noWaits(), 'wokenNs', 'preemptedNs', 'idleNs', 'ownNs', 'maxNs')

function ranGoroutines({ goroutines }: Waits): boolean {
  return goroutines > 0
}

function totalNs({ wokenNs, preemptedNs }: Waits): number {
  return wokenNs + preemptedNs
}

function valuesOf(waits: Waits) {
  const instead = [...waits.instead].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return {
    wait_ns: totalNs(waits),
    wakes: waits.wakes,
    woken_ns: waits.wokenNs,
    preemptions: waits.preemptions,
    preempted_ns: waits.preemptedNs,
    idle_ns: waits.idleNs,
    own_ns: waits.ownNs,
    max_ns: waits.maxNs,
    goroutines: waits.goroutines,
    instead: instead[0]?.[0] ?? null,
  }
}

function merge(all: readonly Waits[]): Waits {
  const sum = noWaits()
  for (const { wakes, wokenNs, preemptions, preemptedNs, idleNs, ownNs, maxNs, goroutines, instead } of all) {
    sum.wakes += wakes
    sum.wokenNs += wokenNs
    sum.preemptions += preemptions
    sum.preemptedNs += preemptedNs
    sum.idleNs += idleNs
    sum.ownNs += ownNs
    sum.goroutines += goroutines
    sum.maxNs = Math.max(sum.maxNs, maxNs)
    for (const [comm, ns] of instead) sum.instead.set(comm, (sum.instead.get(comm) ?? 0) + ns)
  }
  return sum
}
