import { gcCyclesTable } from '../measures/gcCycles.js'
import { timeClassesTable } from '../measures/timeClasses.js'
import type { Thresholds } from '../measures/thresholds.js'
import type { Detector, Finding, Values } from './finding.js'
import { formatBytes, formatCount, formatNs, formatShare, shortFunc } from './units.js'

const windowSeconds = 10
const leastSpanNs = 1e9
const shown = 3
/** A goal below this is that of a heap small enough to be given more room without a thought. */
const smallHeapBytes = 64e6
/** A goal so close to what is live leaves no room: GOGC=100 would give twice as much. */
const tightGoal = 1.2

/** One window of whole tens of wall-clock seconds. */
interface Window {
  /** Seconds of it that there are. */
  readonly seconds: Set<number>
  cycles: number
  markingNs: number
  onCpuNs: number
  assistNs: number
  readonly assistFuncs: Map<string, number>
  heapGoal: number | null
  heapLiveEnd: number | null
}

/** The garbage collector runs all the time, or goroutines do its work instead of their own: one finding for 10 s. */
export const gcPressure: Detector = {
  name: 'gc_pressure',
  hears: [gcCyclesTable, timeClassesTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Map<number, Window>
    const numberOf = (atNs: number) => Math.floor((sink.baseSecond + sink.secondOf(atNs)) / windowSeconds)
    const startOf = (window: number) => sink.startOf(window * windowSeconds - sink.baseSecond)
    const windowAt = (atNs: number) => {
      const key = numberOf(atNs)
      let window = state.get(key)
      if (window === undefined) state.set(key, (window = noWindow()))
      return window
    }
    return {
      state,
      row(table, atNs, values) {
        if (table === timeClassesTable) {
          const window = windowAt(atNs)
          window.seconds.add(sink.secondOf(atNs))
          if (values['class'] === 'on_cpu') window.onCpuNs += values['ns'] as number
          if (values['class'] === 'gc_assist') window.assistNs += values['ns'] as number
        } else if (values['duration_ns'] !== null) {
          // A cycle is told when it has ended, and counts there.
          const durationNs = values['duration_ns'] as number
          addCycle(windowAt(atNs + durationNs), values, durationNs)
        }
      },
      flush(beforeNs) {
        for (const key of [...state.keys()].sort((a, b) => a - b)) {
          if (startOf(key + 1) > beforeNs) continue
          const window = state.get(key)!
          state.delete(key)
          if (window.cycles === 0 || window.seconds.size === 0) continue
          const spans = [...window.seconds].map((second) =>
            sink.recorded(sink.startOf(second), sink.startOf(second + 1)),
          )
          const judged = judge(window, sum(spans.map(({ fromNs, toNs }) => toNs - fromNs)), thresholds)
          if (judged === undefined) continue
          const fromNs = sink.startOf(Math.min(...window.seconds))
          const toNs = sink.startOf(Math.max(...window.seconds) + 1)
          raise({ ...explain(window, judged), fromNs, toNs })
        }
      },
    }
  },
}

function noWindow(): Window {
  return {
    ...{ seconds: new Set<number>(), cycles: 0, markingNs: 0, onCpuNs: 0, assistNs: 0 },
    ...{ assistFuncs: new Map<string, number>(), heapGoal: null, heapLiveEnd: null },
  }
}

function addCycle(window: Window, values: Values, durationNs: number): void {
  window.cycles++
  window.markingNs += durationNs
  window.heapGoal = values['heap_goal'] as number | null
  window.heapLiveEnd = values['heap_live_end'] as number | null
  const functions = JSON.parse((values['assist_functions'] ?? '[]') as string) as {
    function: string | null
    ns: number
  }[]
  for (const { function: func, ns } of functions) {
    if (func !== null) window.assistFuncs.set(func, (window.assistFuncs.get(func) ?? 0) + ns)
  }
}

interface Judged {
  readonly spanNs: number
  readonly gcShare: number
  readonly assistShare: number
  /** Goroutines do too much of the collector's work. */
  readonly assists: boolean
  readonly critical: boolean
}

/** @returns undefined when all is well. */
function judge(window: Window, spanNs: number, thresholds: Thresholds): Judged | undefined {
  const { markingNs, assistNs, onCpuNs } = window
  // Of the first or last ms of a recording nothing is concluded.
  const judgedNs = Math.max(spanNs, leastSpanNs)
  const gcShare = Math.min(1, markingNs / judgedNs)
  const assistShare = assistNs / (assistNs + onCpuNs)
  const assists = assistShare >= thresholds.gcAssistShare && assistNs >= (thresholds.gcAssistNs * judgedNs) / 1e9
  if (gcShare < thresholds.gcShare && !assists) return undefined
  const critical = gcShare >= thresholds.criticalGcShare || (assists && assistShare >= thresholds.criticalShare)
  return { spanNs, gcShare, assistShare, assists, critical }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function explain(window: Window, judged: Judged): Omit<Finding, 'fromNs' | 'toNs'> {
  const { spanNs, gcShare, assistShare, assists, critical } = judged
  const { cycles, markingNs, assistNs, onCpuNs, heapGoal, heapLiveEnd } = window
  const functions = [...window.assistFuncs].sort((a, b) => b[1] - a[1]).slice(0, shown)
  const go = [
    `${formatCount(cycles, 'cycle')} in ${formatNs(spanNs)}, ${formatNs(markingNs / cycles)} of marking each`,
    `goroutines assisted the collector, or waited for it, for ${formatNs(assistNs)}, beside ${formatNs(onCpuNs)} on a CPU`,
  ]
  if (functions.length > 0) {
    go.push(`most assists: ${functions.map(([func, ns]) => `${shortFunc(func)} ${formatNs(ns)}`).join(', ')}`)
  }
  if (heapGoal !== null) {
    const live = heapLiveEnd === null ? '' : `, ${formatBytes(heapLiveEnd)} were live at its end`
    go.push(`heap goal of the last cycle: ${formatBytes(heapGoal)}${live}`)
  }
  return {
    detector: gcPressure.name,
    severity: critical ? 'critical' : 'warning',
    title: assists
      ? `garbage collection instead of work: goroutines spent ${formatShare(assistShare)} of their time in assists or waiting for the collector`
      : `the garbage collector ran ${formatShare(gcShare)} of the time: ${formatCount(cycles, 'cycle')} in ${formatNs(spanNs)}`,
    weightNs: assists ? assistNs : markingNs,
    go,
    kernel: [],
    next: nextStep(heapGoal, heapLiveEnd),
    facts: {
      cycles,
      span_ns: spanNs,
      marking_ns: markingNs,
      gc_share: Math.round(gcShare * 1e4) / 1e4,
      assist_ns: assistNs,
      assist_share: Math.round(assistShare * 1e4) / 1e4,
      on_cpu_ns: onCpuNs,
      function: functions[0]?.[0] ?? null,
      heap_goal: heapGoal,
      heap_live_end: heapLiveEnd,
    },
  }
}

function nextStep(heapGoal: number | null, heapLiveEnd: number | null): string {
  if (heapGoal !== null && heapGoal < smallHeapBytes) {
    return 'the heap is small, so it is full soon: raise GOGC, or set GOMEMLIMIT and GOGC=off, so that a cycle comes less often'
  }
  if (heapGoal !== null && heapLiveEnd !== null && heapGoal < heapLiveEnd * tightGoal) {
    return 'the goal leaves no room above what is live, as with a GOMEMLIMIT that is too low: raise the limit, or keep less alive'
  }
  return 'allocate less: the on_cpu flame graph below runtime.mallocgc says where; or raise GOGC if there is memory'
}
