import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryOptions {
  /** Called before every wait: why it failed, and for how long it waits. The wait must be visible somewhere. */
  readonly onRetry: (error: Error, waitMs: number) => void
  /** Called when an attempt succeeds after others had failed. */
  readonly onSuccess?: (() => void) | undefined
  /** Ends the waiting at once, even in the middle of an attempt, whose outcome is then unknown: the last error is thrown. */
  readonly signal?: AbortSignal | undefined
  /** Errors that trying again does not help: they are thrown at once. */
  readonly isFinal?: (error: Error) => boolean
}

const firstWaitMs = 200
const longestWaitMs = 5000

/** Calls `attempt` until it succeeds, waiting longer after every failure (200 ms to 5 s). */
export async function retryForever<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { onRetry, onSuccess, signal, isFinal } = options
  for (let waitMs = firstWaitMs, failures = 0; ; waitMs = Math.min(waitMs * 2, longestWaitMs), failures++) {
    try {
      const result = await unlessAborted(signal, attempt())
      if (failures > 0) onSuccess?.()
      return result
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      if (isFinal?.(error) === true || signal?.aborted === true) throw error
      onRetry(error, waitMs)
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Like the promise, but fails as soon as the signal comes: a server that is frozen would hold it for its whole time limit. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Error('stopped while waiting for an answer'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
