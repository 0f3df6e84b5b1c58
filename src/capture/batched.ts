import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export interface BatchOptions {
  /** Bytes that come within so long are handed on together. */
  readonly everyMs: number
  /** Lets them gather in the kernel meanwhile: for those who write little at a time, and not much of it. */
  readonly inKernel: boolean
}

/** The writer has to wait when nobody has taken so much. */
const limitBytes = 4 << 20
const firstBytes = 256 << 10

/**
 * The bytes of a stream in few large chunks: what is done per chunk, from the reading on, costs more than what is done per byte. Reads at
 * once, whoever waits for it. Memory is used again: a chunk is valid until the next one is asked for.
 */
export function batched(stream: Readable, { everyMs, inKernel }: BatchOptions): AsyncIterable<Buffer> {
  const state = { sizeBytes: 0, over: false, error: undefined as Error | undefined }
  let filling = Buffer.allocUnsafe(firstBytes)
  let taken = Buffer.allocUnsafe(firstBytes)
  let wake: () => void = () => undefined
  stream.on('data', (chunk: Buffer) => {
    const endAt = state.sizeBytes + chunk.length
    if (endAt > filling.length) filling = Buffer.concat([filling], 2 * endAt)
    chunk.copy(filling, state.sizeBytes)
    state.sizeBytes = endAt
    if (inKernel || endAt > limitBytes) stream.pause()
    wake()
  })
  const end = (error?: Error) => {
    state.over = true
    state.error ??= error
    wake()
  }
  stream.once('end', () => end())
  stream.once('close', () => end())
  stream.once('error', end)
  const something = () => new Promise<void>((resolve) => (wake = resolve))
  async function* batches() {
    for (;;) {
      if (state.sizeBytes === 0 && !state.over) {
        await something()
        await sleep(everyMs)
      }
      const batch = filling.subarray(0, state.sizeBytes)
      ;[filling, taken] = [taken, filling]
      state.sizeBytes = 0
      if (stream.isPaused()) stream.resume()
      if (batch.length > 0) yield batch
      else if (state.error !== undefined) throw state.error
      else if (state.over) return
    }
  }
  return batches()
}
