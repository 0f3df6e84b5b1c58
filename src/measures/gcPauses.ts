import type { Measure } from './measure.js'
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

export const gcPauses: Measure = {
  name: 'gc_pauses',
  tables: [gcPausesTable],
  create: (sink) => ({
    state: null,
    stopTheWorld(stop) {
      sink.row(gcPausesTable, stop.beginNs, {
        reason: stop.reason,
        is_gc: stop.isGc,
        duration_ns: stop.endNs - stop.beginNs,
        stopping_ns: stop.stoppedNs - stop.beginNs,
        tid: stop.tid,
        goroutine: stop.goid,
      })
    },
  }),
}
