import { LineKind, lineKind } from './boundary.js'
import { Byte } from './bytes.js'
import { Head } from './head.js'
import { ByteWindow } from './window.js'

/** Text handed out by one `take()`, about. */
const pieceBytes = 1 << 16

/**
 * Merges perf script texts, each in the order of time, into one: the comment lines at the start of each first, then record by record.
 * Push every input's chunks, `take()` until it returns undefined, push more; `end(input)` when an input is over.
 * Of two records with one time the one of the input last taken from comes first, so that what belongs together stays together.
 */
export class PerfTextMerger {
  private readonly inputs: readonly BlockReader[]
  private inHeader = 0
  private last = 0

  constructor(inputs = 2) {
    this.inputs = Array.from({ length: inputs }, () => new BlockReader())
  }

  push(input: number, chunk: Uint8Array): void {
    this.inputs[input]!.push(chunk)
  }

  end(input: number): void {
    this.inputs[input]!.end()
  }

  /** The next piece of the merged text, whole records; undefined when an input has to be pushed or ended first (or all are over). */
  take(): Buffer | undefined {
    const blocks: Buffer[] = []
    let size = 0
    while (size < pieceBytes) {
      const block = this.inHeader < this.inputs.length ? this.takeHeader() : this.takeRecord()
      if (block === undefined) break
      blocks.push(block)
      size += block.length
    }
    return size === 0 ? undefined : Buffer.concat(blocks)
  }

  /** After `take()` gave nothing: the input it waits for; undefined when all are over. The others need no pushing before that one. */
  starved(): number | undefined {
    const index = this.inputs.findIndex((input) => !input.peek() && !input.over)
    return index < 0 ? undefined : index
  }

  private takeHeader(): Buffer | undefined {
    const input = this.inputs[this.inHeader]!
    if (!input.peek()) return input.over ? this.nextHeader() : undefined
    return input.kind === LineKind.Comment ? input.take() : this.nextHeader()
  }

  private nextHeader(): Buffer {
    this.inHeader++
    return Buffer.alloc(0)
  }

  private takeRecord(): Buffer | undefined {
    let best = -1
    for (let i = 0; i < this.inputs.length; i++) {
      const candidate = (this.last + i) % this.inputs.length
      const input = this.inputs[candidate]!
      if (!input.peek()) {
        if (input.over) continue
        return undefined
      }
      if (best < 0 || input.isBefore(this.inputs[best]!)) best = candidate
    }
    if (best < 0) return undefined
    this.last = best
    return this.inputs[best]!.take()
  }
}

/** Cuts one text into blocks: a record with its lines and its blank line, a comment line, or lines that belong to no record. */
class BlockReader {
  kind: LineKind = LineKind.Blank
  over = false
  private readonly window = new ByteWindow(0)
  private readonly head = new Head()
  private readonly nextHead = new Head()
  private ended = false
  /** End of the block at `window.pos`, 0 = not found yet. Lines up to `scanned` are in it. */
  private blockEnd = 0
  private scanned = 0
  private seconds = -1
  private nanos = 0

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
