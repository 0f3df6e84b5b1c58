import type { Measure } from './measure.js'
import { quantileColumns, quantileValues } from './quantiles.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'

export const netpollDelaysTable: Table = {
  name: 'netpoll_delays',
  doc: 'Delays between the return of epoll and the goroutine running again, one row a second',
  columns: [
    {
      name: 'count',
      type: 'long',
      doc: 'network unblocks whose goroutine ran again in this second; without perf, deadlines that expired are among them',
    },
    ...quantileColumns('poll_to_ready', 'epoll_pwait returned to goroutine runnable (needs perf)'),
    ...quantileColumns('ready_to_run', 'goroutine runnable to running'),
    ...quantileColumns('total', 'both parts together'),
  ],
  keys: [],
  ttlDays: 30,
}

interface Bucket {
  count: number
  readonly pollToReadyNs: number[]
  readonly readyToRunNs: number[]
  readonly totalNs: number[]
}

export const netpollDelays: Measure = {
  name: 'netpoll_delays',
  tables: [netpollDelaysTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    const buckets = new Buckets<Bucket>(state, sink, () => ({
      count: 0,
      pollToReadyNs: [],
      readyToRunNs: [],
      totalNs: [],
    }))
    return {
      state,
      netpollDelay({ ready, runNs }) {
        const bucket = buckets.at(runNs)
        bucket.count++
        bucket.readyToRunNs.push(runNs - ready.readyNs)
        if (Number.isNaN(ready.pollNs)) return
        bucket.pollToReadyNs.push(ready.readyNs - ready.pollNs)
        bucket.totalNs.push(runNs - ready.pollNs)
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          sink.row(netpollDelaysTable, startNs, {
            count: bucket.count,
            ...quantileValues('poll_to_ready', bucket.pollToReadyNs),
            ...quantileValues('ready_to_run', bucket.readyToRunNs),
            ...quantileValues('total', bucket.totalNs),
          })
        }
      },
    }
  },
}
