/**
 * dualtrace as a library: the readers and the analysis, without any I/O. See "As a library" in README.md.
 */
export {
  Ev,
  type Frame,
  GoEvent,
  GoState,
  type GoReaderOptions,
  GoTraceReader,
  type Problem as GoTraceProblem,
  ProcState,
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
export type { OutRow, Thresholds, Track } from './measures/measure.js'
export type { Row, Table } from './measures/table.js'
export { tables } from './measures/tables.js'
