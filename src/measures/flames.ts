import { flameNodes } from '../stacks/flameTree.js'
import type { StackTotal } from '../stacks/stackSums.js'
import type { Sink } from './measure.js'
import type { StackKind } from './stackTime.js'
import type { Table } from './table.js'

export const flamesTable: Table = {
  name: 'flames',
  doc: 'One box of the flame graph of a minute; sum value and self by scope, ord, level and label for the graph of more minutes or sources',
  columns: [
    { name: 'scope', type: 'symbol', doc: 'which graph: on_cpu, off_cpu or blocked, as in samples' },
    { name: 'ord', type: 'text', doc: 'sort key: in this order boxes come depth first, parents before children' },
    { name: 'level', type: 'long', doc: 'depth; 0 = the whole graph' },
    { name: 'label', type: 'text', doc: 'function, or what stands for one' },
    { name: 'value', type: 'long', doc: 'time in the box and below it, ns' },
    { name: 'self', type: 'long', doc: 'time in the box alone, ns' },
  ],
  keys: ['scope', 'ord', 'label'],
  ttlDays: 14,
}

const titles: Readonly<Record<StackKind, string>> = {
  on_cpu: 'on CPU',
  off_cpu: 'off CPU',
  blocked: 'goroutines blocked',
}

/** Boxes of a graph that are written; smaller ones show as room above their parent. */
const boxesWritten = 400

export function writeFlames(sink: Sink, startNs: number, scope: StackKind, totals: Iterable<StackTotal>): void {
  const nodes = flameNodes(titles[scope], totals, boxesWritten)
  if (nodes.every(({ value }) => value === 0)) return
  for (const { ord, level, label, value, self } of nodes) {
    sink.row(flamesTable, startNs, { scope, ord, level, label, value, self })
  }
}
