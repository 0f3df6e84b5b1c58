import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.js'
import type { GoTraceStatus } from './status.js'

/** A Go source that failed is left alone for so long. */
const retryAfterMs = 2000

/** Counts that a Go source failed, and says why. */
export function tellFailure(
  error: unknown,
  status: Pick<GoTraceStatus, 'failures'>,
  log: Log,
  where: Readonly<Record<string, string>>,
  text: string,
): void {
  status.failures++
  log.warn({ ...where, reason: (error as Error).message }, text)
}

/** Waits before a Go source that failed is tried again; not when the signal has come. */
export async function pauseAfterFailure(signal: AbortSignal): Promise<void> {
  await sleep(retryAfterMs, undefined, { signal }).catch(() => undefined)
}
