import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves so long after the first signal; never once `unless` has come. */
export async function afterAbort(signal: AbortSignal, patienceMs: number, unless: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: unless })
  })
  const isOver = await sleep(patienceMs, true, { signal: unless }).catch(() => false)
  if (!isOver) await new Promise(() => undefined)
}
