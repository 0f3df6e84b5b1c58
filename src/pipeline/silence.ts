import type { Track } from '../transport/envelope.js'
import type { SourceRun } from './sourceRun.js'

/**
 * The track a run has waited for in vain: the other one went on for longer than `latenessMs`, or nothing at all came for
 * `idleMs`. Compares times of arrival, so that a pause of everything (the store was away) silences nobody.
 */
export function silentTrack(
  run: Pick<SourceRun, 'starving' | 'lastSeenMs' | 'isEnded'>,
  nowMs: number,
  latenessMs: number,
  idleMs: number,
): Track | undefined {
  const waitedFor = run.starving
  if (waitedFor === undefined) return undefined
  const other = waitedFor === 'gotrace' ? 'perf' : 'gotrace'
  const last = run.lastSeenMs[waitedFor]
  const otherLast = run.lastSeenMs[other]
  if (!run.isEnded(other) && otherLast - last > latenessMs) return waitedFor
  // The other track is complete: only this one is waited for.
  if (run.isEnded(other) && nowMs - Math.max(last, otherLast) > latenessMs) return waitedFor
  return nowMs - Math.max(last, otherLast) > idleMs ? waitedFor : undefined
}
