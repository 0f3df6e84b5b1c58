/** What a pipe holds unless somebody asked for more. */
export const pipeBytes = 1 << 16
const slotBytes = 4 * pipeBytes
const slotCount = 16

/** Indexes of the numbers that both threads share; the sizes of what is in the slots follow. */
const Shared = { Written: 0, Taken: 1, Waiting: 2, Dropped: 3, Sizes: 4 } as const
const sharedBytes = 4 * (Shared.Sizes + slotCount)

/**
 * Bytes on their way from the thread that reads them to the one that takes them, in shared memory. Each may be ahead of the other by all
 * slots, so that neither is held up by what the other does now and then.
 */
export class PipeRing {
  private readonly shared: Int32Array
  private readonly bytes: Uint8Array
  /** Bytes in the slot that is being written. */
  private filled = 0

  constructor(readonly memory = new SharedArrayBuffer(sharedBytes + slotCount * slotBytes)) {
    this.shared = new Int32Array(memory, 0, sharedBytes / 4)
    this.bytes = new Uint8Array(memory, sharedBytes)
  }

  /** Where to write next, `pipeBytes` at least; undefined when nothing has become free within `waitMs`. */
  room(waitMs: number): Uint8Array | undefined {
    const { shared } = this
    const written = Atomics.load(shared, Shared.Written)
    const taken = Atomics.load(shared, Shared.Taken)
    if (written - taken === slotCount && Atomics.wait(shared, Shared.Taken, taken, waitMs) === 'timed-out')
      return undefined
    const start = (written % slotCount) * slotBytes
    return this.bytes.subarray(start + this.filled, start + slotBytes)
  }

  /** So many bytes were written there. They are handed over by whole slots, or at once to somebody who waits. */
  wrote(sizeBytes: number): void {
    this.filled += sizeBytes
    const isFull = this.filled > slotBytes - pipeBytes
    if (isFull || (this.filled > 0 && Atomics.load(this.shared, Shared.Waiting) === 1)) this.handOver()
  }

  /** Nothing more comes. There is room. */
  end(): void {
    if (this.filled > 0) this.handOver()
    while (this.room(Infinity) === undefined);
    this.handOver()
  }

  /** What comes next, empty at the end; undefined when nothing has come within `waitMs`. Valid until `taken`. */
  next(waitMs: number): Uint8Array | undefined {
    const { shared } = this
    const taken = Atomics.load(shared, Shared.Taken)
    if (Atomics.load(shared, Shared.Written) === taken) {
      Atomics.store(shared, Shared.Waiting, 1)
      Atomics.wait(shared, Shared.Written, taken, waitMs)
      Atomics.store(shared, Shared.Waiting, 0)
      if (Atomics.load(shared, Shared.Written) === taken) return undefined
    }
    const slot = taken % slotCount
    const start = slot * slotBytes
    return this.bytes.subarray(start, start + shared[Shared.Sizes + slot]!)
  }

  taken(): void {
    Atomics.add(this.shared, Shared.Taken, 1)
    Atomics.notify(this.shared, Shared.Taken)
  }

  /** Nobody takes anything any more. */
  drop(): void {
    Atomics.store(this.shared, Shared.Dropped, 1)
  }

  get isDropped(): boolean {
    return Atomics.load(this.shared, Shared.Dropped) === 1
  }

  private handOver(): void {
    const { shared } = this
    shared[Shared.Sizes + (Atomics.load(shared, Shared.Written) % slotCount)] = this.filled
    this.filled = 0
    Atomics.add(shared, Shared.Written, 1)
    Atomics.notify(shared, Shared.Written)
  }
}
