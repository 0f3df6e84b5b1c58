import type { Contradiction } from '../clock/fit/check.js'

/** How far an analysis is. Plain data. */
export interface Progress {
  /** End of the current wall-clock second on the axis, and of the last one that ended. */
  boundaryNs: number
  settledNs: number
  /** When to look next whether there is something to write. */
  lookNs: number
  firstNs: number
  lastNs: number
  /** Infinity: there was none. */
  firstGoNs: number
  firstPerfNs: number
  lastGoNs: number
  lastPerfNs: number
  goEvents: number
  perfRecords: number
  perfLost: number
  /** Generation of the last Go event, and the stream position where its bytes begin. */
  gen: number
  goBytes: number
  /** perf is over, or has been silent for so long that it is taken for over. */
  perfEnded: boolean
  goEnded: boolean
  /** Wall time of CLOCK_MONOTONIC's zero as the latest snapshot of the Go trace says, ns. */
  wallOriginNs: bigint | undefined
  /** What must coincide and did not, so that perf is not on the axis any more. */
  refusedFor: Contradiction | undefined
}

export const newProgress = (): Progress => ({
  boundaryNs: -Infinity,
  settledNs: -Infinity,
  lookNs: -Infinity,
  firstNs: Infinity,
  lastNs: -Infinity,
  firstGoNs: Infinity,
  firstPerfNs: Infinity,
  lastGoNs: -Infinity,
  lastPerfNs: -Infinity,
  goEvents: 0,
  perfRecords: 0,
  perfLost: 0,
  gen: -1,
  goBytes: 0,
  perfEnded: false,
  goEnded: false,
  wallOriginNs: undefined,
  refusedFor: undefined,
})
