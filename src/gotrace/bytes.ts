/** Room kept behind the data so that decoding may read a whole event without looking at the length first. */
const slackBytes = 64

/**
 * The part of the stream that is still needed, in one array. Positions are stream offsets; `index` turns one into an index of `buf`.
 * Indexes stay valid until `release`, also over `push`.
 */
export class ByteWindow {
  buf = new Uint8Array(1 << 16)
  /** Stream offset of `buf[0]`. */
  base: number
  /** Stream offset of the first byte still needed. */
  start: number
  /** Stream offset behind the last byte received. */
  end: number
  ended = false
  /** While set, indexes are in use: `push` may grow the array but not shift it. */
  pinned = false

  constructor(startBytes: number) {
    this.base = this.start = this.end = startBytes
  }

  push(chunk: Uint8Array): void {
    const used = this.end - this.base
    if (used + chunk.length + slackBytes > this.buf.length) this.makeRoom(chunk.length)
    this.buf.set(chunk, this.end - this.base)
    this.end += chunk.length
  }

  index(offset: number): number {
    return offset - this.base
  }

  release(offset: number): void {
    this.start = offset
  }

  private makeRoom(extra: number): void {
    const from = this.pinned ? this.base : this.start
    const kept = this.end - from
    const need = kept + extra + slackBytes
    const source = this.buf
    // Shifting is only worth it when at least half of the array becomes free, or the moves would add up.
    if (need > source.length / 2)
      this.buf = new Uint8Array(Math.max(source.length, 2 ** Math.ceil(Math.log2(need * 1.5))))
    if (this.buf === source) source.copyWithin(0, from - this.base, this.end - this.base)
    else this.buf.set(source.subarray(from - this.base, this.end - this.base))
    this.base = from
  }
}
