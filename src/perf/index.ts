export { perfScriptArgs } from './command.js'
export { lastRecordBoundary } from './boundary.js'
export { errnoName, isErrno } from './errnos.js'
export { plainEventName } from './events.js'
export type { PerfFrame } from './frame.js'
export { detailLine, type PerfDetail, perfDetails } from './detail.js'
export { isSampledTracepoint, threadLine, type PerfEventHeader, type PerfHeader } from './header.js'
export { recordToJson } from './json.js'
export { PerfTextMerger } from './merge.js'
export type { Problem, ProblemName } from './problems.js'
export {
  commRecordText,
  countRecords,
  firstRecordTime,
  lastRecordTime,
  leadingComments,
  lostRecordText,
} from './pieces.js'
export { RecordGate } from './recordGate.js'
export { PerfScriptReader, type PerfReaderOptions, type PerfReaderState } from './reader.js'
export { PerfKind, perfKindNames, PerfRecord } from './record.js'
export { isPoll, type SyscallEvent, syscallEventOf } from './syscallEvents.js'
export { syscallNumber, takesFd } from './syscallNames.js'
export {
  parseSchedSwitch,
  parseSchedWakeup,
  parseSyscallExit,
  type SchedSwitch,
  type SchedWakeup,
} from './tracepoints.js'
