import type { Reducer, Sink } from '../measures/measure.js'
import type { Thresholds } from '../measures/thresholds.js'
import type { Table, Value } from '../measures/table.js'

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

/** Columns of a row that a measure wrote. */
export type Values = Readonly<Record<string, Value>>

export interface FindingReducer extends Reducer {
  /** A row of a table that its detector `hears`; `atNs` is the row's moment on the axis. Measures write a second's rows before its `flush`. */
  row?(table: Table, atNs: number, values: Values): void
}

/** Listens to the timeline or to the rows of measures and raises findings. Its state follows the rules of a reducer. */
export interface Detector {
  readonly name: string
  /** Tables whose rows it hears. Their measures are made even when nobody else wants them. */
  readonly hears?: readonly Table[]
  create(raise: (finding: Finding) => void, thresholds: Thresholds, sink: Sink, saved: unknown): FindingReducer
}
