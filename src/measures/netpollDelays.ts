import { quantileColumns } from './quantiles.js'
import type { Table } from './table.js'

export const netpollDelaysTable: Table = {
  name: 'netpoll_delays',
  doc: 'Delays between the return of epoll and the goroutine running again, one row a second',
  columns: [
    { name: 'count', type: 'long', doc: 'network unblocks whose goroutine ran again in this second' },
    ...quantileColumns('poll_to_ready', 'epoll_pwait returned to goroutine runnable (needs perf)'),
    ...quantileColumns('ready_to_run', 'goroutine runnable to running'),
    ...quantileColumns('total', 'both parts together'),
  ],
  keys: [],
  ttlDays: 30,
}
