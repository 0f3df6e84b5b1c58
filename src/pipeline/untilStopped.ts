import { setTimeout as sleep } from 'node:timers/promises'

const leavePatienceMs = 2500

/**
 * Waits for `signal`, then stops. `giveUp` comes later.
 * @throws what `failed` rejects with before that; Error when stopping goes on for longer after `giveUp` than leaving a group takes
 */
export async function untilStopped(
  signal: AbortSignal,
  giveUp: AbortSignal,
  failed: Promise<never>,
  stop: () => Promise<void>,
): Promise<void> {
  await Promise.race([aborted(signal), failed])
  await Promise.race([stop(), tooLate(giveUp)])
}

/** Leaving the group and closing connections gets a little longer than the writing; a frozen server gets no more. */
async function tooLate(giveUp: AbortSignal): Promise<never> {
  await aborted(giveUp)
  await sleep(leavePatienceMs, undefined, { ref: false })
  throw new Error('a server does not answer')
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
