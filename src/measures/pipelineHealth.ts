import type { Table } from './table.js'

export const pipelineHealthTable: Table = {
  name: 'pipeline_health',
  doc: 'What came in, per track and second',
  columns: [
    { name: 'track', type: 'symbol', doc: 'gotrace or perf' },
    { name: 'events', type: 'long', doc: 'events read' },
    { name: 'bytes', type: 'long', doc: 'bytes of input they took' },
    { name: 'lost', type: 'long', doc: 'events the recorder said it lost' },
    { name: 'late', type: 'long', doc: 'events older than what had been processed' },
    { name: 'parse_errors', type: 'long', doc: 'records or generations that could not be read' },
    { name: 'lag_ms', type: 'long', doc: 'shipped by the collector minus happened, ms; null when it was not live' },
  ],
  keys: ['track'],
  ttlDays: 30,
}
