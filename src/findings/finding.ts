import type { Reducer, Sink, Thresholds } from '../measures/measure.js'

export const severities = ['info', 'warning', 'critical'] as const
export type Severity = (typeof severities)[number]

export interface Finding {
  readonly detector: string
  readonly severity: Severity
  /** One line: what happened, how long. */
  readonly title: string
  readonly fromNs: number
  readonly toNs: number
  /** How bad it was, ns: the order among findings of one severity. */
  readonly weightNs: number
  /** What the Go trace showed, a sentence each. */
  readonly go: readonly string[]
  /** What the kernel showed, a sentence each. */
  readonly kernel: readonly string[]
  /** What to do next. */
  readonly next: string
  /** The same for programs: goroutines, threads, durations in ns. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>
}

/** Listens to the timeline and raises findings. Its state follows the rules of a reducer. */
export interface Detector {
  readonly name: string
  create(raise: (finding: Finding) => void, thresholds: Thresholds, sink: Sink, saved: unknown): Reducer
}
