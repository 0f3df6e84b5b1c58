import { Ev } from '../gotrace/index.js'
import { ClassId } from '../timeline/classes.js'
import type { Measure, Sink } from './measure.js'
import type { Table } from './table.js'

export const gcCyclesTable: Table = {
  name: 'gc_cycles',
  doc: 'One cycle of the garbage collector; ts is its begin, or the trace’s when it began before',
  columns: [
    { name: 'seq', type: 'long', doc: 'number of its begin, as the trace counts begins and ends' },
    {
      name: 'duration_ns',
      type: 'long',
      doc: 'begin to end of marking, ns; null when it began before the trace or had not ended with it',
    },
    { name: 'stw_ns', type: 'long', doc: 'the world was stopped for it, ns; the sum of the next two' },
    { name: 'sweep_termination_ns', type: 'long', doc: 'the stop it began with, ns; null when not seen' },
    { name: 'mark_termination_ns', type: 'long', doc: 'the stop it ended with, ns; null when not seen' },
    {
      name: 'assist_ns',
      type: 'long',
      doc: 'goroutines marked, or waited to, instead of doing their own work, summed, ns',
    },
    {
      name: 'assist_functions',
      type: 'text',
      doc: 'JSON: of this, by the function the goroutine was started with, [{function, ns}], most first',
    },
    { name: 'heap_live', type: 'long', doc: 'live heap at the begin, bytes; null when not told' },
    {
      name: 'heap_goal',
      type: 'long',
      doc: 'heap size at which this cycle shall have ended, bytes; null when not told',
    },
    { name: 'heap_live_end', type: 'long', doc: 'live heap when marking ended, bytes; null when not told' },
  ],
  keys: ['seq'],
  ttlDays: 90,
  event: { ts: 'begin', length: 'duration_ns' },
}

const functionsShown = 5

interface Cycle {
  readonly seq: number
  /** Begin, or when the trace first told of it. */
  readonly fromNs: number
  readonly beganBefore: boolean
  endNs: number
  sweepTerminationNs: number | null
  markTerminationNs: number | null
  readonly heapLive: number | null
  readonly heapGoal: number | null
  heapLiveEnd: number | null
  assistNs: number
  /** Start function → ns. */
  readonly assistFuncs: Map<string, number>
}

interface State {
  cycle: Cycle | undefined
  heapLive: number | null
  heapGoal: number | null
}

export const gcCycles: Measure = {
  name: 'gc_cycles',
  tables: [gcCyclesTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? { cycle: undefined, heapLive: null, heapGoal: null }) as State
    const finish = () => {
      if (state.cycle !== undefined) write(sink, state.cycle)
      state.cycle = undefined
    }
    return {
      state,
      goTypes: [Ev.GCBegin, Ev.GCActive, Ev.GCEnd, Ev.HeapAlloc, Ev.HeapGoal],
      goEvent(event, _reader, atNs) {
        const value = event.args[0]!
        switch (event.type) {
          case Ev.HeapAlloc:
            state.heapLive = value
            break
          case Ev.HeapGoal:
            state.heapGoal = value
            break
          case Ev.GCEnd:
            if (state.cycle === undefined) return
            state.cycle.endNs = atNs
            state.cycle.heapLiveEnd = state.heapLive
            break
          case Ev.GCActive:
            // Told again in every generation.
            if (state.cycle === undefined) state.cycle = newCycle(state, value, atNs, true)
            break
          default:
            finish()
            state.cycle = newCycle(state, value, atNs, false)
        }
      },
      segment({ startFunc }, fromNs, toNs, classId) {
        const { cycle } = state
        if (cycle === undefined || classId !== ClassId.gc_assist) return
        const ns = Math.min(toNs, Number.isNaN(cycle.endNs) ? toNs : cycle.endNs) - Math.max(fromNs, cycle.fromNs)
        if (ns <= 0) return
        cycle.assistNs += ns
        cycle.assistFuncs.set(startFunc, (cycle.assistFuncs.get(startFunc) ?? 0) + ns)
      },
      stopTheWorld({ reason, beginNs, endNs }) {
        const { cycle } = state
        if (cycle === undefined) return
        if (reason === 'GC sweep termination') {
          cycle.sweepTerminationNs = (cycle.sweepTerminationNs ?? 0) + endNs - beginNs
        } else if (reason === 'GC mark termination') {
          cycle.markTerminationNs = (cycle.markTerminationNs ?? 0) + endNs - beginNs
          // The cycle's end lies inside this stop, and everybody's assists have been told at its begin and end.
          if (cycle.endNs <= endNs) finish()
        }
      },
      flush(beforeNs) {
        if (beforeNs === Infinity) finish()
      },
    }
  },
}

function newCycle({ heapLive, heapGoal }: State, seq: number, fromNs: number, beganBefore: boolean): Cycle {
  return {
    seq,
    fromNs,
    beganBefore,
    endNs: NaN,
    sweepTerminationNs: null,
    markTerminationNs: null,
    heapLive: beganBefore ? null : heapLive,
    heapGoal,
    heapLiveEnd: null,
    assistNs: 0,
    assistFuncs: new Map(),
  }
}

function write(sink: Sink, cycle: Cycle): void {
  const { seq, fromNs, endNs, beganBefore, sweepTerminationNs, markTerminationNs, assistNs } = cycle
  const functions = [...cycle.assistFuncs].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  const shown = functions.slice(0, functionsShown).map(([func, ns]) => ({ function: func === '' ? null : func, ns }))
  sink.row(gcCyclesTable, fromNs, {
    seq,
    duration_ns: beganBefore || Number.isNaN(endNs) ? null : endNs - fromNs,
    stw_ns: (sweepTerminationNs ?? 0) + (markTerminationNs ?? 0),
    sweep_termination_ns: sweepTerminationNs,
    mark_termination_ns: markTerminationNs,
    assist_ns: assistNs,
    assist_functions: shown.length === 0 ? null : JSON.stringify(shown),
    heap_live: cycle.heapLive,
    heap_goal: cycle.heapGoal,
    heap_live_end: cycle.heapLiveEnd,
  })
}
