import { asleepShare, checkJoin, contradictionOf } from './fit/check.js'
import { fitClock } from './fit/fit.js'
import { type Marks, pairLanes, toLanes } from './fit/marks.js'
import { fittedPairs } from './fit/partners.js'
import { matchThreads } from './fit/threads.js'
import { type ClockDecision, noCommonThread } from './ladder.js'

export interface FitInput {
  readonly go: Marks
  readonly perf: Marks
  /** Both name threads by the system's ids. */
  readonly sameThreads: boolean
  /** perf says that it lost records. */
  readonly hasLost: boolean
  /** Perf's base minus Go's, ns. */
  readonly baseOffsetNs: bigint
  /** Perf's time minus Go's, since their bases, as far as readings of the wall clock tell; ns. */
  readonly guessNs: number | undefined
}

const leastCovered = 0.5
const leastConfidence = 0.6
/** Pieces are fitted to some µs; more than this was a step. */
const mostSetBackNs = 1e6
/** With fewer marks than this a difference cannot stand out. */
const marksToFit = 100

/** Fits perf's clock, and when need be its threads, to the Go trace. */
export function fitTracks(input: FitInput): ClockDecision {
  const { sameThreads, guessNs, baseOffsetNs } = input
  const go = toLanes(input.go, !sameThreads)
  const perf = toLanes(input.perf, !sameThreads)
  const pairs = pairLanes(go, perf)
  if (pairs.length === 0)
    return sameThreads ? noCommonThread : failed('there is nothing in one of them that the other could have seen')
  const marks = pairs.reduce((sum, pair) => sum + pair.go.times.length, 0)
  if (marks < marksToFit && sameThreads && guessNs !== undefined) {
    const piece = { fromPerfNs: -Infinity, anchorPerfNs: 0, offsetNs: guessNs, driftPpm: 0 }
    return { method: 'reference', joined: true, reason: '', fit: { pieces: [piece], baseOffsetNs, pairs: undefined } }
  }
  const joint = fitClock(go, perf, guessNs === undefined ? [] : [guessNs])
  if (joint === undefined) return failed(`no shift of the clocks puts them together, so they are ${others}`)
  if (joint.setBackNs > mostSetBackNs) return failed(`perf’s was set back by ${(joint.setBackNs / 1e6).toFixed(0)} ms`)
  if (joint.coveredShare < leastCovered) return failed(`most of the time no shift of the clocks puts them together`)
  const threads = sameThreads ? undefined : matchThreads(pairs, joint.pieces)
  if (threads !== undefined && threads.confidence < leastConfidence)
    return failed(`only ${percent(threads.confidence)} of what happened on Go’s threads is found on threads of perf`)
  const check = checkJoin(toLanes(input.go, false), toLanes(input.perf, false), joint.pieces, threads?.tids)
  const contradiction = contradictionOf(check, input.hasLost)
  if (contradiction === 'asleep') {
    return failed(
      `perf has threads off the CPU in ${percent(asleepShare(check))} of the stays in which they write to the trace, so they are ${others}`,
    )
  }
  if (contradiction === 'unmatched') {
    const met = percent(check.pairs / (check.pairs + check.unmatched))
    return failed(`only ${met} of the network unblocks have their epoll_pwait, so they are ${others}`)
  }
  if (contradiction === 'late') {
    const late = percent(check.late / check.unexplained)
    return failed(`${late} of the network unblocks come more than 1 ms after their epoll_pwait, so they are ${others}`)
  }
  const fit = { pieces: joint.pieces, baseOffsetNs, pairs: fittedPairs(pairs, joint.pieces, threads?.tids) }
  return threads === undefined
    ? { method: 'fitted', joined: true, reason: '', fit }
    : { method: 'inferred', joined: true, reason: '', confidence: threads.confidence, fit, threads: threads.tids }
}

const others = 'captures of different processes or times, or too short'

function failed(why: string): ClockDecision {
  return {
    method: 'fit_failed',
    joined: false,
    reason: `the two tracks share no clock, and ${why}; each track is reported alone`,
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
