import type { ClockPiece } from '../map.js'
import type { LanePair } from './marks.js'
import { eachPartner } from './partners.js'

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
  for (const pair of pairs) {
    marks += eachPartner(pair, pieces, (goTid, perfTid) => {
      const byTid = counts.get(goTid) ?? new Map<number, number>()
      counts.set(goTid, byTid)
      byTid.set(perfTid, (byTid.get(perfTid) ?? 0) + 1)
    })
  }
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
