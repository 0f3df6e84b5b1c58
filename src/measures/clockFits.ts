import type { Table } from './table.js'

export const clockFitsTable: Table = {
  name: 'clock_fits',
  doc: 'How well the two tracks fit on one axis, one row per window of 10 s',
  columns: [
    { name: 'method', type: 'symbol', doc: 'rung of the clock ladder, or why there is no join' },
    { name: 'pairs', type: 'long', doc: 'network unblocks matched to an epoll_pwait exit on their thread' },
    { name: 'offset_ns', type: 'long', doc: 'perf time minus Go time, ns; null when not joined' },
    { name: 'drift_ppm', type: 'double', doc: 'rate of perf’s clock against Go’s, ppm; null when not joined' },
    { name: 'residual_p50_ns', type: 'long', doc: 'network unblock minus epoll_pwait exit, median, ns' },
    { name: 'residual_p99_ns', type: 'long', doc: 'the same, 99th percentile, ns' },
  ],
  keys: [],
  ttlDays: 90,
}
