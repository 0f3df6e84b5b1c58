/** So much memory at most is kept to be used again: perf's text comes in bursts. */
const keptBytes = 8 << 20

/**
 * Reads ahead, up to so many bytes that nobody has taken yet. Begins at once: for a source that must not be kept waiting while something
 * else is read to its end. Chunks are valid until the next one is asked for, those that go in as well as those that come out.
 */
export function prefetch(chunks: AsyncIterable<Uint8Array>, limitBytes: number): AsyncIterable<Uint8Array> {
  const queue: Uint8Array[] = []
  const memory = new Memory()
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
        queue.push(memory.copyOf(chunk))
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
          memory.giveBack(chunk)
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

/** Copies that are done with make room for the next ones. */
class Memory {
  private readonly free: ArrayBuffer[] = []
  private freeBytes = 0

  copyOf(chunk: Uint8Array): Uint8Array {
    const fitting = this.free.at(-1)
    const isReused = fitting !== undefined && fitting.byteLength >= chunk.length
    if (isReused) {
      this.free.pop()
      this.freeBytes -= fitting.byteLength
    }
    const copy = new Uint8Array(isReused ? fitting : new ArrayBuffer(sizeFor(chunk.length)), 0, chunk.length)
    copy.set(chunk)
    return copy
  }

  giveBack({ buffer }: Uint8Array): void {
    if (this.freeBytes + buffer.byteLength > keptBytes) return
    this.free.push(buffer as ArrayBuffer)
    this.freeBytes += buffer.byteLength
  }
}

/** Chunks differ little in size: one that is a little larger finds room as well. */
function sizeFor(sizeBytes: number): number {
  return Math.max(1 << 17, 2 ** Math.ceil(Math.log2(sizeBytes)))
}
