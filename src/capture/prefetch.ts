/**
 * Reads ahead, up to so many bytes that nobody has taken yet. Begins at once: for a source that must not be kept waiting while something
 * else is read to its end.
 */
export function prefetch(chunks: AsyncIterable<Uint8Array>, limitBytes: number): AsyncIterable<Uint8Array> {
  const queue: Uint8Array[] = []
  const state = { waitingBytes: 0, over: false, dropped: false, error: undefined as unknown }
  let wake: () => void = () => undefined
  let changed = new Promise<void>((resolve) => (wake = resolve))
  const change = () => {
    wake()
    changed = new Promise<void>((resolve) => (wake = resolve))
  }
  async function read() {
    try {
      for await (const chunk of chunks) {
        queue.push(chunk)
        state.waitingBytes += chunk.length
        change()
        while (state.waitingBytes > limitBytes && !state.dropped) await changed
        if (state.dropped) return
      }
    } catch (error) {
      state.error = error
    } finally {
      state.over = true
      change()
    }
  }
  const reading = read()
  async function* all() {
    try {
      for (;;) {
        const chunk = queue.shift()
        if (chunk !== undefined) {
          state.waitingBytes -= chunk.length
          change()
          yield chunk
        } else if (state.over) break
        else await changed
      }
      if (state.error !== undefined) throw state.error as Error
    } finally {
      state.dropped = true
      change()
      await reading
    }
  }
  return all()
}
