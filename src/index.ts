/**
 * dualtrace as a library: the readers and the analysis, without any I/O. See "As a library" in README.md.
 */
export { GoTrace, GoTraceError, readGoTrace, type TraceBytes } from './readGoTrace.js'
export {
  type ClockSnapshot,
  Ev,
  type EventKind,
  type EventSpec,
  type EvName,
  formatEvent,
  type Frame,
  type Generation,
  GenerationSplitter,
  GoEvent,
  type GoReaderOptions,
  type GoReaderState,
  GoState,
  GoTraceReader,
  kindOf,
  type Problem as GoTraceProblem,
  type ProblemName as GoTraceProblemName,
  ProcState,
  specs,
} from './gotrace/index.js'
export {
  type PerfFrame,
  type PerfHeader,
  PerfKind,
  type PerfReaderOptions,
  PerfRecord,
  PerfScriptReader,
  type Problem as PerfProblem,
} from './perf/index.js'
export { Analysis, type AnalysisOptions } from './analysis/analysis.js'
export type { AnalysisSummary } from './analysis/summary.js'
export type { Finding, Severity } from './findings/finding.js'
export type { OutRow, Track } from './measures/measure.js'
export type { Thresholds } from './measures/thresholds.js'
export type { Row, Table } from './measures/table.js'
export { tables } from './measures/tables.js'
