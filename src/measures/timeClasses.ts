import type { Table } from './table.js'

export const timeClassesTable: Table = {
  name: 'time_classes',
  doc: 'Where the goroutines of a source spent a second, one row per class that occurred',
  columns: [
    { name: 'class', type: 'symbol', doc: 'see TimeClass in src/timeline' },
    { name: 'ns', type: 'long', doc: 'time in the class, summed over goroutines, ns' },
  ],
  keys: ['class'],
  ttlDays: 30,
}
