import { lastRecordBoundary, LineKind, lineKindIn } from './boundary.js'
import { Byte } from './bytes.js'
import { Head } from './head.js'
import { HeadCache } from './headCache.js'
import { ByteWindow } from './window.js'

/** Below this many bytes lines are looked at one after the other. */
const shortBytes = 256

/** Cuts one text into blocks: a record with its lines and its blank line, a comment line, or lines that belong to no record. */
export class BlockReader {
  kind: LineKind = LineKind.Blank
  over = false
  private readonly window = new ByteWindow(0)
  private readonly heads = new HeadCache()
  private readonly head = new Head()
  private readonly nextHead = new Head()
  private ended = false
  /** End of the block at `window.pos`, 0 = not found yet. Lines up to `scanned` are in it. */
  private blockEnd = 0
  private scanned = 0
  /** Time of the block, as the last record with a time gave it; -1 before the first. */
  seconds = -1
  nanos = 0
  /** The first line at `window.pos` has been read, so that kind and time are the block's. */
  private begun = false
  /** Behind the last whole record in the window; -1 = not looked for since the last push. */
  private wholeEnd = -1

  push(chunk: Uint8Array): void {
    const before = this.window.pos
    this.window.push(chunk)
    const moved = before - this.window.pos
    if (this.blockEnd !== 0) this.blockEnd -= moved
    this.scanned -= moved
    this.wholeEnd = -1
  }

  end(): void {
    const { window } = this
    if (window.end > window.pos && window.bytes[window.end - 1] !== Byte.newline) this.push(Uint8Array.of(Byte.newline))
    this.ended = true
    this.wholeEnd = -1
  }

  /** Whether a whole block is there; its kind and time are known then. */
  peek(): boolean {
    if (this.blockEnd === 0) this.find()
    this.over = this.ended && this.blockEnd === 0
    return this.blockEnd !== 0
  }

  /** As `peek`, before `takeUpTo`: where the block ends is not looked for when it is seen to be whole. */
  peekTime(): boolean {
    if (this.blockEnd !== 0) return true
    const { window } = this
    if (this.lastWhole() <= window.pos) return this.peek()
    if (!this.begun) this.begin(this.kindAt(window.pos, window.bytes.indexOf(Byte.newline, window.pos), this.head))
    this.over = false
    return true
  }

  /** A record without a time keeps the one before it; one whose printed time is 0 goes first. */
  isBefore(other: BlockReader): boolean {
    return this.seconds < other.seconds || (this.seconds === other.seconds && this.nanos < other.nanos)
  }

  /** The block, copied. */
  take(): Buffer {
    const { window } = this
    const block = Buffer.from(window.bytes.subarray(window.pos, this.blockEnd))
    this.moveTo(this.blockEnd)
    return block
  }

  /**
   * After `peekTime()`: the block, and all whole ones behind it that are not later than the block of `other` (all there are, without it). Where
   * they end is searched for in growing steps, then by halving, as the text is in the order of time. A view, valid until the next push.
   */
  takeUpTo(other: BlockReader | undefined): Buffer {
    const { window } = this
    const start = window.pos
    const end = this.endUpTo(other)
    this.moveTo(end)
    return window.bytes.subarray(start, end)
  }

  /** All that has been pushed and not taken, copied; nothing is left then. */
  takeRest(): Buffer {
    const { window } = this
    const rest = Buffer.from(window.bytes.subarray(window.pos, window.end))
    this.moveTo(window.end)
    return rest
  }

  private moveTo(end: number): void {
    this.window.moveTo(end)
    this.scanned = end
    this.blockEnd = 0
    this.begun = false
  }

  private lastWhole(): number {
    const { window } = this
    if (this.wholeEnd < 0)
      this.wholeEnd = this.ended
        ? window.end
        : window.pos + lastRecordBoundary(window.bytes.subarray(window.pos, window.end))
    return this.wholeEnd
  }

  private endUpTo(other: BlockReader | undefined): number {
    const { window, blockEnd } = this
    let end = this.lastWhole()
    if (end <= blockEnd) return blockEnd
    if (other === undefined) return end
    // No record in [to, end) is earlier than `end`'s, none before `from` is too late.
    let from = blockEnd === 0 ? window.bytes.indexOf(Byte.newline, window.pos) + 1 : blockEnd
    let to = end
    let stepBytes = shortBytes
    let isNear = false
    while (from < to) {
      if (isNear || from + stepBytes >= to) stepBytes = (to - from) >> 1
      const middle = to - from > shortBytes ? from + stepBytes : from
      stepBytes *= 2
      const at = this.recordFrom(middle, to)
      if (at < 0) {
        if (middle === from) break
        to = middle
        isNear = true
      } else if (other.isBeforeHead(this.nextHead)) {
        end = at
        if (middle === from) break
        to = middle
        isNear = true
      } else from = window.bytes.indexOf(Byte.newline, at) + 1
    }
    return end
  }

  private isBeforeHead(head: Head): boolean {
    return this.seconds < head.seconds || (this.seconds === head.seconds && this.nanos < head.nanos)
  }

  /** First line in [from, to) that begins a record, read into `nextHead`; -1 when there is none. The line at `from` may be a part of one. */
  private recordFrom(from: number, to: number): number {
    const { bytes } = this.window
    let at = bytes[from - 1] === Byte.newline ? from : bytes.indexOf(Byte.newline, from) + 1
    while (at > 0 && at < to) {
      const end = bytes.indexOf(Byte.newline, at)
      const kind = this.kindAt(at, end, this.nextHead)
      if (kind === LineKind.Sample || kind === LineKind.Sideband) return at
      at = end + 1
    }
    return -1
  }

  private find(): void {
    const { window } = this
    for (;;) {
      const end = this.scanned >= window.end ? -1 : window.bytes.indexOf(Byte.newline, this.scanned)
      if (end < 0 || end >= window.end) {
        if (this.ended && this.scanned > window.pos) this.blockEnd = this.scanned
        return
      }
      const isFirst = this.scanned === window.pos
      const kind = this.kindAt(this.scanned, end, isFirst ? this.head : this.nextHead)
      if (isFirst) this.begin(kind)
      else if (kind === LineKind.Sample || kind === LineKind.Sideband || kind === LineKind.Comment) {
        this.blockEnd = this.scanned
        return
      }
      this.scanned = end + 1
      if (kind === LineKind.Blank || kind === LineKind.Comment || kind === LineKind.Sideband) {
        this.blockEnd = this.scanned
        return
      }
    }
  }

  private kindAt(start: number, end: number, head: Head): LineKind {
    return lineKindIn(this.window, this.heads, start, end, head)
  }

  private begin(kind: LineKind): void {
    this.begun = true
    this.kind = kind
    if (kind !== LineKind.Sample && kind !== LineKind.Sideband) return
    this.seconds = this.head.seconds
    this.nanos = this.head.nanos
  }
}
