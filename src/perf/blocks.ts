import { LineKind, lineKind } from './boundary.js'
import { Byte } from './bytes.js'
import { Head } from './head.js'
import { ByteWindow } from './window.js'

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

  push(chunk: Uint8Array): void {
    const before = this.window.pos
    this.window.push(chunk)
    const moved = before - this.window.pos
    if (this.blockEnd !== 0) this.blockEnd -= moved
    this.scanned -= moved
  }

  end(): void {
    const { window } = this
    if (window.end > window.pos && window.bytes[window.end - 1] !== Byte.newline) this.push(Uint8Array.of(Byte.newline))
    this.ended = true
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

  /** All that has been pushed and not taken, copied; nothing is left then. */
  takeRest(): Buffer {
    const { window } = this
    const rest = Buffer.from(window.bytes.subarray(window.pos, window.end))
    window.moveTo(window.end)
    this.scanned = window.end
    this.blockEnd = 0
    return rest
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
