import type { Table } from './table.js'

export const stacksTable: Table = {
  name: 'stacks',
  doc: 'A stack that another table refers to, once per source',
  columns: [
    { name: 'stack_id', type: 'text', doc: 'hash of the frames: equal stacks have equal ids everywhere' },
    { name: 'frames', type: 'text', doc: 'functions, root first, joined by ";"' },
  ],
  keys: ['stack_id'],
  ttlDays: 90,
}
