import type { Analysis } from '../analysis/analysis.js'
import { chosen, type Condition, matchRow, type Moment, PieceFinder } from '../measures/condition.js'
import { defaultThresholds } from '../measures/thresholds.js'
import { analyzeOffline } from './offline.js'
import type { OfflineSource } from './offlineSource.js'

/** Reads a capture once to find where a condition holds, in order of time. */
export async function findMoments(source: OfflineSource, condition: Condition): Promise<readonly Moment[]> {
  let pieces: { readonly fromNs: number; readonly toNs: number }[] = []
  let wall: (atNs: number) => bigint = () => 0n
  const { rows } = await analyzeOffline(source, () => {
    pieces = []
    const finder = new PieceFinder(condition, (fromNs, toNs) => pieces.push({ fromNs, toNs }))
    return {
      thresholds: {
        ...defaultThresholds,
        netpollSpikeNs: Math.min(defaultThresholds.netpollSpikeNs, limitNs(condition)),
      },
      listeners: [finder],
      onEnd(analysis: Analysis) {
        finder.end()
        wall = (atNs) => BigInt(analysis.wallNs(atNs))
      },
    }
  })
  const moments = [
    ...pieces.map(({ fromNs, toNs }) => ({ fromWallNs: wall(fromNs), toWallNs: wall(toNs) })),
    ...rows.flatMap((row) => matchRow(condition, row) ?? []),
  ]
  moments.sort((a, b) => (a.fromWallNs < b.fromWallNs ? -1 : 1))
  return chosen(condition, moments)
}

/** Rows are there from a threshold on; what is looked for may be shorter. */
export function limitNs({ operator, limitNs, longest }: Condition): number {
  return longest || operator === '<' || operator === '<=' ? 0 : limitNs
}
