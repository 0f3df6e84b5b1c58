import type { Measure } from './measure.js'
import { quantileColumns, quantileValues } from './quantiles.js'
import { bucketAt, type Seconds, takeEnded } from './seconds.js'
import type { Table } from './table.js'

export const schedLatencyTable: Table = {
  name: 'sched_latency',
  doc: 'Waiting to run, in the Go scheduler and in the kernel, one row a second',
  columns: [
    { name: 'count', type: 'long', doc: 'goroutines that went from Runnable to Running in this second' },
    ...quantileColumns('runnable_to_running', 'Go: goroutine runnable to running'),
    { name: 'wake_count', type: 'long', doc: 'threads switched in after a wake-up in this second' },
    ...quantileColumns('wake_to_switch_in', 'kernel: thread woken to switched in (needs perf)'),
  ],
  keys: [],
  ttlDays: 30,
}

interface Bucket {
  readonly runnableNs: number[]
  readonly wakeNs: number[]
}

export const schedLatency: Measure = {
  name: 'sched_latency',
  tables: [schedLatencyTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    const newBucket = (): Bucket => ({ runnableNs: [], wakeNs: [] })
    return {
      state,
      started(_goroutine, runnableNs, startNs) {
        bucketAt(state, sink, startNs, newBucket).runnableNs.push(startNs - runnableNs)
      },
      switchedIn(_thread, wakeNs, inNs) {
        bucketAt(state, sink, inNs, newBucket).wakeNs.push(inNs - wakeNs)
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of takeEnded(state, sink, beforeNs)) {
          sink.row(schedLatencyTable, startNs, {
            count: bucket.runnableNs.length,
            ...quantileValues('runnable_to_running', bucket.runnableNs),
            wake_count: bucket.wakeNs.length,
            ...quantileValues('wake_to_switch_in', bucket.wakeNs),
          })
        }
      },
    }
  },
}
