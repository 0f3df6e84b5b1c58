import type { Measure } from './measure.js'
import { quantileColumns, quantileValues } from './quantiles.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'
import { topAndOther } from './top.js'

export const schedLatencyByFuncTable: Table = {
  name: 'sched_latency_by_func',
  doc: 'Goroutines that waited to run in a second, by the function they were started with: the worst, and the rest as one',
  columns: [
    { name: 'function', type: 'symbol', doc: '"unknown" where the trace does not tell, "other" for the rest' },
    { name: 'count', type: 'long', doc: 'times that such a goroutine went from Runnable to Running' },
    ...quantileColumns('runnable_to_running', 'goroutine runnable to running'),
    { name: 'runnable_ns', type: 'long', doc: 'these waits summed, ns' },
    {
      name: 'runnable_kernel_ns',
      type: 'long',
      doc: 'of this, the thread wanted a CPU and had none, ns; null without perf',
    },
    {
      name: 'runnable_unknown_ns',
      type: 'long',
      doc: 'of this, not known, as the wake-up of the thread was not recorded or lost, ns; null without perf',
    },
  ],
  keys: ['function'],
  ttlDays: 30,
}

/** So many functions a second have a row of their own. */
const functionsShown = 20

interface Waits {
  readonly runnableNs: number[]
  totalNs: number
  kernelNs: number
  unknownNs: number
}

export const schedLatencyByFunc: Measure = {
  name: 'sched_latency_by_func',
  tables: [schedLatencyByFuncTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<Map<string, Waits>>
    const buckets = new Buckets(state, sink, () => new Map<string, Waits>())
    const write = (startNs: number, name: string, { runnableNs, totalNs, kernelNs, unknownNs }: Waits) => {
      sink.row(schedLatencyByFuncTable, startNs, {
        function: name,
        count: runnableNs.length,
        ...quantileValues('runnable_to_running', runnableNs),
        runnable_ns: totalNs,
        runnable_kernel_ns: sink.clock.joined ? kernelNs : null,
        runnable_unknown_ns: sink.clock.joined ? unknownNs : null,
      })
    }
    return {
      state,
      started({ startFunc }, runnableNs, startNs, kernelNs, unknownNs) {
        const name = startFunc === '' ? 'unknown' : startFunc
        const byFunc = buckets.at(startNs)
        let waits = byFunc.get(name)
        if (waits === undefined) byFunc.set(name, (waits = { runnableNs: [], totalNs: 0, kernelNs: 0, unknownNs: 0 }))
        waits.runnableNs.push(startNs - runnableNs)
        waits.totalNs += startNs - runnableNs
        waits.kernelNs += kernelNs
        waits.unknownNs += unknownNs
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          const { top, other } = topAndOther(bucket, functionsShown, ({ totalNs }) => totalNs, compare, merge)
          for (const [name, waits] of top) write(startNs, name, waits)
          if (other !== undefined) write(startNs, 'other', other)
        }
      },
    }
  },
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}

function merge(all: readonly Waits[]): Waits {
  return {
    runnableNs: all.flatMap(({ runnableNs }) => runnableNs),
    totalNs: all.reduce((sum, { totalNs }) => sum + totalNs, 0),
    kernelNs: all.reduce((sum, { kernelNs }) => sum + kernelNs, 0),
    unknownNs: all.reduce((sum, { unknownNs }) => sum + unknownNs, 0),
  }
}
