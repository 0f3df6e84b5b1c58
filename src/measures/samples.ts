import {
  addStackTime,
  largest,
  newStackSums,
  otherRoot,
  type StackSums,
  type StackTotal,
  stackTotals,
} from '../stacks/stackSums.js'
import { flamesTable, writeFlames } from './flames.js'
import type { Measure, Sink } from './measure.js'
import { type StackKind, stackKinds, leafNames, StackTime } from './stackTime.js'
import type { Table } from './table.js'

const windowSeconds = 10

export const samplesTable: Table = {
  name: 'samples',
  doc: 'Time by stack in a window of 10 s: the largest stacks of each kind, the rest together',
  columns: [
    {
      name: 'kind',
      type: 'symbol',
      doc: 'on_cpu: samples of a thread; off_cpu: a thread off its CPU; blocked: a goroutine not running',
    },
    {
      name: 'stack_id',
      type: 'text',
      doc: 'key into stacks: kernel and Go frames under the goroutine’s start function, and why it was off CPU or blocked',
    },
    { name: 'ns', type: 'long', doc: 'time with that stack, ns' },
  ],
  keys: ['kind', 'stack_id'],
  ttlDays: 14,
  windowSeconds,
}

const windowsPerGraph = 6
/** Distinct stacks kept in a window or graph and kind, rows written for a window and kind, and boxes for a graph. */
const stacksKept = 4000
const rowsWritten = 200

type ByKind = Record<StackKind, StackSums>

interface State {
  /** By number of the window since the epoch. */
  readonly windows: Map<number, ByKind>
  /** The flame graph under way, by its number. */
  readonly graphs: Map<number, ByKind>
}

const newSums = (kind: StackKind): StackSums => newStackSums(leafNames[kind].length, stacksKept)
const newByKind = (): ByKind => ({
  on_cpu: newSums('on_cpu'),
  off_cpu: newSums('off_cpu'),
  blocked: newSums('blocked'),
})

/** `samples` and `flames`. Windows and graphs are cut at whole tens of wall-clock seconds and minutes. */
export const samples: Measure = {
  name: 'samples',
  tables: [samplesTable, flamesTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? { windows: new Map(), graphs: new Map() }) as State
    const windowOf = (atNs: number) => Math.floor((sink.baseSecond + sink.secondOf(atNs)) / windowSeconds)
    const startOf = (window: number) => sink.startOf(window * windowSeconds - sink.baseSecond)
    const sumsAt = (window: number, kind: StackKind): StackSums => {
      let sums = state.windows.get(window)
      if (sums === undefined) state.windows.set(window, (sums = newByKind()))
      return sums[kind]
    }
    const time = new StackTime({
      stackTime(kind, root, frames, leaf, fromNs, toNs, ns) {
        const first = windowOf(fromNs)
        if (toNs <= startOf(first + 1)) {
          addStackTime(sumsAt(first, kind), root, frames, leaf, ns)
          return
        }
        for (let window = first, atNs = fromNs; atNs < toNs; window++) {
          const endNs = Math.min(toNs, startOf(window + 1))
          addStackTime(sumsAt(window, kind), root, frames, leaf, endNs - atNs)
          atNs = endNs
        }
      },
    })
    const closeWindow = (window: number) => {
      const sums = state.windows.get(window)!
      state.windows.delete(window)
      const number = Math.floor(window / windowsPerGraph)
      let graph = state.graphs.get(number)
      if (graph === undefined) state.graphs.set(number, (graph = newByKind()))
      for (const kind of stackKinds) {
        writeSamples(sink, startOf(window), kind, stackTotals(sums[kind], leafNames[kind]))
        addAll(graph[kind], sums[kind])
      }
    }
    const ended = (map: Map<number, unknown>, windows: number, beforeNs: number) =>
      [...map.keys()].filter((number) => startOf((number + 1) * windows) <= beforeNs).sort((a, b) => a - b)
    return {
      state,
      wantsPerfEvent: (name) => time.wantsPerfEvent(name),
      perfSample: (record, reader, atNs, view) => time.perfSample(record, reader, atNs, view),
      threadTime: (thread, fromNs, toNs, kernel, view) => time.threadTime(thread, fromNs, toNs, kernel, view),
      segment: (goroutine, fromNs, toNs, classId) => time.segment(goroutine, fromNs, toNs, classId),
      flush(beforeNs) {
        for (const window of ended(state.windows, 1, beforeNs)) closeWindow(window)
        for (const number of ended(state.graphs, windowsPerGraph, beforeNs)) {
          const graph = state.graphs.get(number)!
          state.graphs.delete(number)
          for (const kind of stackKinds) {
            writeFlames(sink, startOf(number * windowsPerGraph), kind, stackTotals(graph[kind], leafNames[kind]))
          }
        }
      },
    }
  },
}

function writeSamples(sink: Sink, startNs: number, kind: StackKind, totals: Iterable<StackTotal>): void {
  const { shown, otherNs } = largest(totals, rowsWritten)
  for (const { text, ns } of shown) {
    sink.row(samplesTable, startNs, { kind, stack_id: sink.stackId(startNs, text), ns })
  }
  if (otherNs > 0) sink.row(samplesTable, startNs, { kind, stack_id: sink.stackId(startNs, otherRoot), ns: otherNs })
}

function addAll(to: StackSums, from: StackSums): void {
  for (const [root, byFrames] of from.roots) {
    for (const [frames, byLeaf] of byFrames) {
      for (const [leaf, ns] of byLeaf.entries()) {
        if (ns !== 0) addStackTime(to, root, frames, leaf, ns)
      }
    }
  }
  to.otherNs += from.otherNs
  to.others += from.others
}
