import { quantileColumns } from './quantiles.js'
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
