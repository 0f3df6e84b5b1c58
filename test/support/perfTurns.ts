import { PerfKind, PerfScriptReader } from '../../src/perf/index.js'

/** What perf's text tells, read from its start: a thread goes on a CPU and off it by turns, or something is missing or there twice. */
export function perfTurns(bytes: Uint8Array) {
  const reader = new PerfScriptReader()
  const seen = { switches: 0, lost: 0, firstNs: 0, lastNs: 0, outOfTurn: [] as string[], problems: [] as string[] }
  const last = new Map<number, { isIn: boolean; timeNs: number }>()
  reader.push(bytes)
  reader.end()
  while (reader.next()) {
    const { record } = reader
    if (record.hasTime) {
      seen.lastNs = Number(reader.baseNs) + record.timeNs
      seen.firstNs ||= seen.lastNs
    }
    if (record.kind === PerfKind.Lost) {
      seen.lost += record.lost
      last.clear()
    }
    if (record.kind !== PerfKind.SwitchIn && record.kind !== PerfKind.SwitchOut) continue
    seen.switches++
    const isIn = record.kind === PerfKind.SwitchIn
    const { tid, timeNs } = record
    const before = last.get(tid)
    if (before?.isIn === isIn)
      seen.outOfTurn.push(`${tid} went ${isIn ? 'on' : 'off'} a CPU at ${before.timeNs} and again at ${timeNs} ns`)
    last.set(tid, { isIn, timeNs })
  }
  seen.problems.push(...reader.problemCounts.keys())
  return seen
}
