import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryOptions {
  /** Called before every wait: why it failed, and for how long it waits. The wait must be visible somewhere. */
  readonly onRetry: (error: Error, waitMs: number) => void
  /** Ends the waiting: the last error is thrown. */
  readonly signal?: AbortSignal | undefined
  /** Errors that trying again does not help: they are thrown at once. */
  readonly isFinal?: (error: Error) => boolean
}

const firstWaitMs = 200
const longestWaitMs = 5000

/** Calls `attempt` until it succeeds, waiting longer after every failure (200 ms to 5 s). */
export async function retryForever<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    try {
      return await attempt()
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      if (options.isFinal?.(error) === true || options.signal?.aborted === true) throw error
      options.onRetry(error, waitMs)
      await sleep(waitMs, undefined, { signal: options.signal }).catch(() => undefined)
    }
  }
}
