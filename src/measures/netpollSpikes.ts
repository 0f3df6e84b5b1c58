import type { NetpollDelay } from '../timeline/model.js'
import type { Measure } from './measure.js'
import type { Table } from './table.js'

export const netpollSpikesTable: Table = {
  name: 'netpoll_spikes',
  doc: 'One netpoll delay over the threshold',
  columns: [
    { name: 'goroutine', type: 'long', doc: 'the goroutine that waited for the network' },
    {
      name: 'tid',
      type: 'long',
      doc: 'thread that polled and made the goroutine runnable; null when the trace does not name it',
    },
    {
      name: 'poll_to_ready_ns',
      type: 'long',
      doc: 'epoll_pwait returned to goroutine runnable, ns; null without perf',
    },
    { name: 'ready_to_run_ns', type: 'long', doc: 'goroutine runnable to running, ns' },
    { name: 'total_ns', type: 'long', doc: 'both parts together, ns' },
    { name: 'stack_id', type: 'text', doc: 'where the goroutine waited; key into stacks' },
  ],
  keys: ['goroutine'],
  ttlDays: 30,
  event: { ts: 'end', length: 'total_ns' },
  threshold: 'netpollSpikeNs',
}

/** From epoll's return to running; without perf, the part that the Go trace shows. */
export function netpollTotalNs({ ready, runNs }: NetpollDelay): number {
  return runNs - (Number.isNaN(ready.pollNs) ? ready.readyNs : ready.pollNs)
}

export const netpollSpikes: Measure = {
  name: 'netpoll_spikes',
  tables: [netpollSpikesTable],
  create: (sink, thresholds) => ({
    state: null,
    netpollDelay(delay) {
      const totalNs = netpollTotalNs(delay)
      if (totalNs < thresholds.netpollSpikeNs) return
      const { goroutine, ready, runNs } = delay
      const frames = goroutine.waitStack
      sink.row(netpollSpikesTable, runNs, {
        goroutine: goroutine.goid,
        tid: ready.tid < 0 ? null : ready.tid,
        poll_to_ready_ns: Number.isNaN(ready.pollNs) ? null : ready.readyNs - ready.pollNs,
        ready_to_run_ns: runNs - ready.readyNs,
        total_ns: totalNs,
        stack_id: frames === '' ? null : sink.stackId(runNs, frames),
      })
    },
  }),
}
