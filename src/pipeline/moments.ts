import type { Analysis } from '../analysis/analysis.js'
import { chosen, type Condition, matchRow, type Moment, PieceFinder, thresholdsFor } from '../measures/condition.js'
import type { OutRow } from '../measures/measure.js'
import type { Thresholds } from '../measures/thresholds.js'
import { analyzeOffline, type OfflineResult } from './offline.js'
import type { OfflineSource } from './offlineSource.js'

export interface Found extends Moment {
  /** The row that matched, or the goroutine of the piece that did. */
  readonly of: OutRow | { readonly goid: number }
}

export interface FoundMoments {
  /** In order of time. */
  readonly found: readonly Found[]
  readonly result: OfflineResult
}

/** Reads a capture once to find where a condition holds. */
export async function findMoments(
  source: OfflineSource,
  condition: Condition,
  thresholds?: Partial<Thresholds>,
): Promise<FoundMoments> {
  let pieces: { readonly fromNs: number; readonly toNs: number; readonly goid: number }[] = []
  let wall: (atNs: number) => bigint = () => 0n
  const result = await analyzeOffline(source, () => {
    pieces = []
    const finder = new PieceFinder(condition, (fromNs, toNs, goid) => pieces.push({ fromNs, toNs, goid }))
    return {
      thresholds: thresholdsFor(condition, thresholds),
      listeners: [finder],
      onEnd(analysis: Analysis) {
        finder.end()
        wall = (atNs) => BigInt(analysis.wallNs(atNs))
      },
    }
  })
  const found: Found[] = pieces.map(({ fromNs, toNs, goid }) => {
    return { fromWallNs: wall(fromNs), toWallNs: wall(toNs), ns: toNs - fromNs, of: { goid } }
  })
  for (const row of result.rows) {
    const moment = matchRow(condition, row)
    if (moment !== undefined) found.push({ ...moment, of: row })
  }
  found.sort((a, b) => (a.fromWallNs < b.fromWallNs ? -1 : 1))
  return { found: chosen(condition, found), result }
}
