import { lastRecordBoundary, LineKind, lineKind } from './boundary.js'
import { Byte } from './bytes.js'
import { Head } from './head.js'
import { ByteWindow } from './window.js'

/** Below this many bytes lines are looked at one after the other. */
const shortBytes = 1024

/** Cuts one text into blocks: a record with its lines and its blank line, a comment line, or lines that belong to no record. */
export class BlockReader {
  kind: LineKind = LineKind.Blank
  over = false
  private readonly window = new ByteWindow(0)
  private readonly head = new Head()
  private readonly nextHead = new Head()
  private ended = false
  /** End of the block at `window.pos`, 0 = not found yet. Lines up to `scanned` are in it. */
  private blockEnd = 0
  private scanned = 0
  /** Time of the block, as the last record with a time gave it; -1 before the first. */
  seconds = -1
  nanos = 0
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

  /** A record without a time keeps the one before it; one whose printed time is 0 goes first. */
  isBefore(other: BlockReader): boolean {
    return this.seconds < other.seconds || (this.seconds === other.seconds && this.nanos < other.nanos)
  }

  /** The block, copied. */
  take(): Buffer {
    const { window } = this
    const block = Buffer.from(window.bytes.subarray(window.pos, this.blockEnd))
    window.moveTo(this.blockEnd)
    this.scanned = this.blockEnd
    this.blockEnd = 0
    return block
  }

  /**
   * After `peek()`: the block, and all whole ones behind it that are not later than the block of `other` (all there are, without it). They
   * are found by halving, as the text is in the order of time. A view, valid until the next push.
   */
  takeUpTo(other: BlockReader | undefined): Buffer {
    const { window } = this
    const start = window.pos
    const end = this.endUpTo(other)
    window.moveTo(end)
    this.scanned = end
    this.blockEnd = 0
    return window.bytes.subarray(start, end)
  }

  /** All that has been pushed and not taken, copied; nothing is left then. */
  takeRest(): Buffer {
    const { window } = this
    const rest = Buffer.from(window.bytes.subarray(window.pos, window.end))
    window.moveTo(window.end)
    this.scanned = window.end
    this.blockEnd = 0
    return rest
  }

  private endUpTo(other: BlockReader | undefined): number {
    const { window, blockEnd } = this
    if (this.wholeEnd < 0)
      this.wholeEnd = this.ended
        ? window.end
        : window.pos + lastRecordBoundary(window.bytes.subarray(window.pos, window.end))
    if (this.wholeEnd <= blockEnd) return blockEnd
    if (other === undefined) return this.wholeEnd
    let end = this.wholeEnd
    // No record in [to, end) is earlier than `end`'s, none before `from` is too late.
    for (let from = blockEnd, to = end; from < to;) {
      const middle = to - from > shortBytes ? (from + to) >> 1 : from
      const at = this.recordFrom(middle, to)
      if (at < 0) {
        if (middle === from) break
        to = middle
      } else if (other.isBeforeHead(this.nextHead)) {
        end = at
        if (middle === from) break
        to = middle
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
      const kind = lineKind(bytes, at, end, this.nextHead)
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
      const kind = lineKind(window.bytes, this.scanned, end, isFirst ? this.head : this.nextHead)
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

  private begin(kind: LineKind): void {
    this.kind = kind
    if (kind !== LineKind.Sample && kind !== LineKind.Sideband) return
    this.seconds = this.head.seconds
    this.nanos = this.head.nanos
  }
}
