import { type GoEvent, GoTraceReader } from '../../src/gotrace/index.js'
import { PerfKind, PerfScriptReader } from '../../src/perf/index.js'
import type { TimelineListener } from '../../src/timeline/model.js'
import type { ListedThread } from '../../src/timeline/service.js'
import { Timeline } from '../../src/timeline/timeline.js'

/**
 * Feeds both tracks, on one clock, to a timeline. Times told to the listener are ns since the trace's base second. `settleAt`: where lives are to be settled, ns,
 * ascending. `timeOf`: when a Go event is told; Go's own reader has its times as `orderedNs`.
 */
export function runTimeline(
  trace: Uint8Array,
  perfText: Uint8Array,
  listener: TimelineListener,
  settleAt: readonly number[] = [],
  timeOf: (event: GoEvent) => number = ({ timeNs }) => timeNs,
): Timeline {
  const go = new GoTraceReader()
  go.push(trace)
  go.end()
  const perf = new PerfScriptReader()
  perf.push(perfText)
  perf.end()
  const timeline = new Timeline([listener])
  const listed: ListedThread[] = []
  const nextPerf = () => {
    while (perf.next()) {
      if (perf.record.hasTime) {
        timeline.announcePerf(perf.record)
        return true
      }
      const { kind, childPid, childTid } = perf.record
      if (kind === PerfKind.Comm) listed.push({ pid: childPid, tid: childTid })
    }
    return false
  }
  let moreGo = go.next()
  let morePerf = nextPerf()
  timeline.begin(listed, moreGo ? go.threads : [])
  const shiftNs = morePerf ? Number(perf.baseNs! - go.baseNs!) : 0
  let settled = 0
  while (moreGo || morePerf) {
    const nextNs = Math.min(moreGo ? timeOf(go.event) : Infinity, morePerf ? perf.record.timeNs + shiftNs : Infinity)
    for (; settled < settleAt.length && settleAt[settled]! <= nextNs; settled++) timeline.settle(settleAt[settled]!)
    if (morePerf && (!moreGo || perf.record.timeNs + shiftNs < timeOf(go.event))) {
      timeline.perfRecord(perf.record, perf, perf.record.timeNs + shiftNs)
      morePerf = nextPerf()
      if (!morePerf) timeline.endPerf()
    } else {
      timeline.goEvent(go.event, go, timeOf(go.event))
      moreGo = go.next()
      if (moreGo) timeline.announceGo(go)
      else timeline.endGo()
    }
  }
  return timeline
}
