import { Kernel } from '../timeline/classes.js'
import type { Measure } from './measure.js'
import { quantileColumns, quantileValues } from './quantiles.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'

export const schedLatencyTable: Table = {
  name: 'sched_latency',
  doc: 'Waiting to run, in the Go scheduler and in the kernel, one row a second',
  columns: [
    { name: 'count', type: 'long', doc: 'goroutines that went from Runnable to Running in this second' },
    ...quantileColumns('runnable_to_running', 'Go: goroutine runnable to running'),
    { name: 'runnable_ns', type: 'long', doc: 'these waits summed, ns' },
    {
      name: 'runnable_kernel_ns',
      type: 'long',
      doc: 'of this, the thread had been woken for it or preempted and had no CPU, ns, also while the world was stopped; null without perf',
    },
    {
      name: 'runnable_unknown_ns',
      type: 'long',
      doc: 'of this, not known, as the wake-up of the thread was not recorded or lost, ns; the rest had no P, or the world was stopped; null without perf',
    },
    { name: 'wake_count', type: 'long', doc: 'threads switched in after a wake-up in this second' },
    ...quantileColumns('wake_to_switch_in', 'kernel: thread woken to switched in (needs perf)'),
    { name: 'preempt_count', type: 'long', doc: 'threads switched in after a preemption in this second' },
    ...quantileColumns('preempted_to_switch_in', 'kernel: thread preempted to switched in again (needs perf)'),
  ],
  keys: [],
  ttlDays: 30,
}

interface Bucket {
  readonly runnableNs: number[]
  kernelNs: number
  unknownNs: number
  readonly wakeNs: number[]
  readonly preemptedNs: number[]
}

/**
 * The kernel's part is what the thread went through: a stop-the-world in the middle of it does not give it a CPU, so it stays in. `time_classes` names
 * each instant once, and calls these `stw`: there the kernel's part is shorter by them.
 */
export const schedLatency: Measure = {
  name: 'sched_latency',
  tables: [schedLatencyTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? new Map()) as Seconds<Bucket>
    const buckets = new Buckets<Bucket>(state, sink, () => ({
      runnableNs: [],
      kernelNs: 0,
      unknownNs: 0,
      wakeNs: [],
      preemptedNs: [],
    }))
    return {
      state,
      started(_goroutine, runnableNs, startNs, kernelNs, unknownNs) {
        const bucket = buckets.at(startNs)
        bucket.runnableNs.push(startNs - runnableNs)
        bucket.kernelNs += kernelNs
        bucket.unknownNs += unknownNs
      },
      switchedIn(_thread, wakeNs, inNs) {
        buckets.at(inNs).wakeNs.push(inNs - wakeNs)
      },
      offCpu({ fromNs, toNs, kernel }) {
        if (kernel === Kernel.Preempted) buckets.at(toNs).preemptedNs.push(toNs - fromNs)
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          sink.row(schedLatencyTable, startNs, {
            count: bucket.runnableNs.length,
            ...quantileValues('runnable_to_running', bucket.runnableNs),
            runnable_ns: bucket.runnableNs.reduce((sum, ns) => sum + ns, 0),
            runnable_kernel_ns: sink.clock.joined ? bucket.kernelNs : null,
            runnable_unknown_ns: sink.clock.joined ? bucket.unknownNs : null,
            wake_count: bucket.wakeNs.length,
            ...quantileValues('wake_to_switch_in', bucket.wakeNs),
            preempt_count: bucket.preemptedNs.length,
            ...quantileValues('preempted_to_switch_in', bucket.preemptedNs),
          })
        }
      },
    }
  },
}
