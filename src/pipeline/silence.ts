import type { Track } from '../transport/envelope.js'
import type { SourceRun } from './sourceRun.js'

/**
 * The track a run has waited for in vain: the other one went on for longer than `latenessMs`, or nothing at all came for
 * `idleMs`. Compares times of arrival, so that a pause of everything (the store was away) silences nobody. A collector's signs of life are
 * enough to be waited for, as those of a quiet process; but not for longer than `idleMs` while the other track goes on.
 * @param heldBackSinceMs since when the other track has not been read, for this one's sake, with nothing of this one left to read
 */
export function silentTrack(
  run: Pick<SourceRun, 'starving' | 'lastSeenMs' | 'lastBytesMs' | 'isEnded'>,
  nowMs: number,
  latenessMs: number,
  idleMs: number,
  heldBackSinceMs?: number,
): Track | undefined {
  const waitedFor = run.starving
  if (waitedFor === undefined) return undefined
  const other = waitedFor === 'gotrace' ? 'perf' : 'gotrace'
  const sinceMs = heldBackSinceMs ?? -Infinity
  const last = Math.max(sinceMs, run.lastSeenMs[waitedFor])
  if (run.isEnded(other)) {
    // The other track is complete: only this one is waited for.
    if (nowMs - Math.max(last, run.lastBytesMs[other]) > latenessMs) return waitedFor
  } else {
    // When a track that is held back last arrived says nothing: there is more of it.
    const otherBytes = heldBackSinceMs === undefined ? run.lastBytesMs[other] : nowMs
    const lastBytes = Math.max(sinceMs, run.lastBytesMs[waitedFor])
    if (otherBytes - last > latenessMs || otherBytes - lastBytes > idleMs) return waitedFor
  }
  return nowMs - Math.max(last, run.lastSeenMs[other]) > idleMs ? waitedFor : undefined
}
