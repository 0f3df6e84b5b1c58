import type { PerfScriptReader } from './reader.js'
import { PerfKind, perfKindNames, type PerfRecord } from './record.js'

/**
 * A record as `dualtrace dump` prints it. `time_ns` is the absolute time on perf's clock as a decimal string. What was not printed (or does not exist
 * for the kind) is left out.
 */
export function recordToJson(record: PerfRecord, reader: PerfScriptReader): Record<string, unknown> {
  const isSample = record.kind === PerfKind.Sample
  const base = reader.baseNs ?? 0n
  return {
    kind: perfKindNames[record.kind],
    comm: record.comm,
    ...(record.pid >= 0 && { pid: record.pid }),
    tid: record.tid,
    ...(record.cpu >= 0 && { cpu: record.cpu }),
    ...(record.hasTime && { time_ns: String(base + BigInt(record.timeNs)) }),
    ...(isSample && { period: record.period }),
    event: isSample ? reader.eventName(record.eventId) : record.printedName,
    trace: record.trace,
    ...(record.kind === PerfKind.SwitchOut && { preempt: record.preempt }),
    ...((record.kind === PerfKind.Lost || record.kind === PerfKind.LostSamples) && { lost: record.lost }),
    ...(record.childTid >= 0 && { child_pid: record.childPid, child_tid: record.childTid }),
    ...(record.peerTid >= 0 && { peer_pid: record.peerPid, peer_tid: record.peerTid }),
    ...(record.stackId !== 0 && { stack: reader.stack(record.stackId).map(frameToJson) }),
  }
}

function frameToJson({ symbol, offset, dso, kernel }: ReturnType<PerfScriptReader['stack']>[number]) {
  return { symbol, ...(offset !== undefined && { offset }), dso, kernel }
}
