import { ClockMap, type ClockPiece } from '../map.js'
import { quantile } from '../quantile.js'
import { firstAtOrAfter, goComesFirst, type LanePair } from './marks.js'

/** Marks further apart than this, on the fitted axis, do not belong together. */
const nearNs = 20e3
/** The clocks are fitted to some µs: a pair may seem to be the wrong way round by as much. */
const slackNs = 5e3

/** Marks of Go with their partners in perf, on the fitted axis. Plain data. */
export interface FittedPairs {
  readonly count: number
  /** How far apart the two of a pair lie, their usual delay of some µs included; null without pairs. */
  readonly residualP50Ns: number | null
  readonly residualP99Ns: number | null
}

/** The pairs that a fit has put together. `threads`: those of Go and perf that are one, when they go by different names. */
export function fittedPairs(
  pairs: readonly LanePair[],
  pieces: readonly ClockPiece[],
  threads: ReadonlyMap<number, number> | undefined,
): FittedPairs {
  const apart: number[] = []
  for (const pair of pairs) {
    eachPartner(pair, pieces, (goTid, perfTid, apartNs) => {
      if (threads === undefined || threads.get(goTid) === perfTid) apart.push(apartNs)
    })
  }
  const sorted = Float64Array.from(apart).sort()
  return { count: sorted.length, residualP50Ns: quantile(sorted, 0.5), residualP99Ns: quantile(sorted, 0.99) }
}

/** Tells of every mark of Go that has one the nearest mark of perf on the right side. @returns Go's marks where perf was recording */
export function eachPartner(
  { go, perf }: LanePair,
  pieces: readonly ClockPiece[],
  tell: (goTid: number, perfTid: number, apartNs: number) => void,
): number {
  const map = new ClockMap(pieces)
  const times = perf.times.map((at) => map.goNs(at))
  const goFirst = goComesFirst[go.kind]!
  let marks = 0
  for (let i = 0; i < go.times.length; i++) {
    const atNs = go.times[i]!
    if (atNs < times[0]! || atNs > times.at(-1)!) continue
    marks++
    const j = goFirst ? firstAtOrAfter(times, atNs - slackNs) : firstAtOrAfter(times, atNs + slackNs) - 1
    if (j < 0 || j >= times.length) continue
    const apartNs = Math.abs(times[j]! - atNs)
    if (apartNs <= nearNs) tell(go.tids[i]!, perf.tids[j]!, apartNs)
  }
  return marks
}
