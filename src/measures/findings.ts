import type { Table } from './table.js'

export const findingsTable: Table = {
  name: 'findings',
  doc: 'One finding: something that went wrong, with its evidence',
  columns: [
    { name: 'detector', type: 'symbol', doc: 'which detector raised it' },
    { name: 'severity', type: 'symbol', doc: 'info, warning or critical' },
    { name: 'title', type: 'text', doc: 'one line' },
    { name: 'evidence', type: 'text', doc: 'JSON: what the Go trace and perf showed, and the next step' },
    { name: 'from', type: 'timestamp', doc: 'start, ns since the epoch' },
    { name: 'to', type: 'timestamp', doc: 'end, ns since the epoch' },
  ],
  keys: ['detector'],
  ttlDays: 90,
}
