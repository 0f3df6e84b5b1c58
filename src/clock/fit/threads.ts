import { ClockMap, type ClockPiece } from '../map.js'
import { firstAtOrAfter, goComesFirst, type LanePair } from './marks.js'

/** Pairs further apart than this, on the fitted axis, say nothing of whose they are. */
const nearNs = 20e3
/** The clocks are fitted to some µs: a pair may seem to be the wrong way round by as much. */
const slackNs = 5e3
const fewestPairs = 5
/** A thread must have this share of a Go thread's pairs … */
const leastShare = 0.5
/** … and so many times as many as the next one. */
const leastMargin = 2

export interface ThreadMap {
  /** Thread of the Go trace → thread of perf. */
  readonly tids: ReadonlyMap<number, number>
  /** Share of Go's marks, where perf was recording, that meet their partner on the thread they were given. */
  readonly confidence: number
}

/** Finds which thread of perf each thread of Go is: the one that most of its marks meet a partner on. */
export function matchThreads(pairs: readonly LanePair[], pieces: readonly ClockPiece[]): ThreadMap {
  const counts = new Map<number, Map<number, number>>()
  let marks = 0
  for (const pair of pairs) marks += countPairs(pair, pieces, counts)
  const ranked = [...counts].flatMap(([goTid, byTid]) => {
    const total = [...byTid.values()].reduce((a, b) => a + b, 0)
    const [first, second] = [...byTid].sort((a, b) => b[1] - a[1])
    if (first === undefined || first[1] < fewestPairs) return []
    if (first[1] < total * leastShare || first[1] < (second?.[1] ?? 0) * leastMargin) return []
    return [{ goTid, tid: first[0], count: first[1] }]
  })
  ranked.sort((a, b) => b.count - a.count)
  const tids = new Map<number, number>()
  const taken = new Set<number>()
  let met = 0
  for (const { goTid, tid, count } of ranked) {
    if (taken.has(tid)) continue
    taken.add(tid)
    tids.set(goTid, tid)
    met += count
  }
  return { tids, confidence: marks === 0 ? 0 : met / marks }
}

/** Counts, for every Go mark, the thread of the nearest mark of perf on the right side. @returns Go's marks where perf was recording */
function countPairs(
  { go, perf }: LanePair,
  pieces: readonly ClockPiece[],
  counts: Map<number, Map<number, number>>,
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
    if (j < 0 || j >= times.length || Math.abs(times[j]! - atNs) > nearNs) continue
    const byTid = counts.get(go.tids[i]!) ?? new Map<number, number>()
    counts.set(go.tids[i]!, byTid)
    byTid.set(perf.tids[j]!, (byTid.get(perf.tids[j]!) ?? 0) + 1)
  }
  return marks
}
