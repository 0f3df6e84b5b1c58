import type { Analysis } from '../analysis/analysis.js'
import { chosen, type Condition, matchRow, type Moment, PieceFinder, thresholdsFor } from '../measures/condition.js'
import type { Thresholds } from '../measures/thresholds.js'
import { analyzeOffline } from './offline.js'
import type { OfflineSource } from './offlineSource.js'

/** Reads a capture once to find where a condition holds, in order of time. */
export async function findMoments(
  source: OfflineSource,
  condition: Condition,
  thresholds?: Partial<Thresholds>,
): Promise<readonly Moment[]> {
  let pieces: { readonly fromNs: number; readonly toNs: number }[] = []
  let wall: (atNs: number) => bigint = () => 0n
  const { rows } = await analyzeOffline(source, () => {
    pieces = []
    const finder = new PieceFinder(condition, (fromNs, toNs) => pieces.push({ fromNs, toNs }))
    return {
      thresholds: thresholdsFor(condition, thresholds),
      listeners: [finder],
      onEnd(analysis: Analysis) {
        finder.end()
        wall = (atNs) => BigInt(analysis.wallNs(atNs))
      },
    }
  })
  const moments = [
    ...pieces.map(({ fromNs, toNs }) => ({ fromWallNs: wall(fromNs), toWallNs: wall(toNs), ns: toNs - fromNs })),
    ...rows.flatMap((row) => matchRow(condition, row) ?? []),
  ]
  moments.sort((a, b) => (a.fromWallNs < b.fromWallNs ? -1 : 1))
  return chosen(condition, moments)
}
