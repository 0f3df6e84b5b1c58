import type { Table } from './table.js'

export const gcPausesTable: Table = {
  name: 'gc_pauses',
  doc: 'One stop-the-world, from the request to the restart',
  columns: [
    { name: 'reason', type: 'symbol', doc: 'why, in the words of the trace, e.g. "GC mark termination"' },
    { name: 'is_gc', type: 'boolean', doc: 'true when the garbage collector asked for it' },
    { name: 'duration_ns', type: 'long', doc: 'from the request to the restart, ns; includes stopping_ns' },
    { name: 'stopping_ns', type: 'long', doc: 'from the request until the last P had stopped, ns' },
    { name: 'tid', type: 'long', doc: 'thread that stopped the world' },
    { name: 'goroutine', type: 'long', doc: 'goroutine that stopped the world' },
  ],
  keys: ['goroutine'],
  ttlDays: 90,
}
