import { BlockReader } from './blocks.js'
import { LineKind } from './boundary.js'

/** Text handed out by one `take()`, about. */
const pieceBytes = 1 << 16

/**
 * Merges perf script texts, each in the order of time, into one: the comment lines at the start of each first, then the records.
 * Push every input's chunks, `take()` until it returns undefined, push more; `end(input)` when an input is over.
 * Of two records with one time the one of the input last taken from comes first, so that what belongs together stays together.
 */
export class PerfTextMerger {
  private readonly inputs: readonly BlockReader[]
  private inHeader = 0
  private last = 0
  private out = Buffer.allocUnsafe(2 * pieceBytes)

  constructor(inputs = 2) {
    this.inputs = Array.from({ length: inputs }, () => new BlockReader())
  }

  push(input: number, chunk: Uint8Array): void {
    this.inputs[input]!.push(chunk)
  }

  end(input: number): void {
    this.inputs[input]!.end()
  }

  /**
   * The next piece of the merged text, whole records; undefined when an input has to be pushed or ended first (or all are over). Valid until
   * the next `take()`.
   */
  take(): Buffer | undefined {
    let size = 0
    while (size < pieceBytes) {
      const block = this.inHeader < this.inputs.length ? this.takeHeader() : this.takeRecords()
      if (block === undefined) break
      const endAt = size + block.length
      if (endAt > this.out.length) this.out = Buffer.concat([this.out.subarray(0, size)], 2 * endAt)
      block.copy(this.out, size)
      size = endAt
    }
    return size === 0 ? undefined : this.out.subarray(0, size)
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

  /** Records of one input as far as none of another comes between them. */
  private takeRecords(): Buffer | undefined {
    let best = -1
    for (let i = 0; i < this.inputs.length; i++) {
      const candidate = (this.last + i) % this.inputs.length
      const input = this.inputs[candidate]!
      if (!input.peekTime()) {
        if (input.over) continue
        return undefined
      }
      if (best < 0 || input.isBefore(this.inputs[best]!)) best = candidate
    }
    if (best < 0) return undefined
    this.last = best
    return this.inputs[best]!.takeUpTo(this.earliestBut(best))
  }

  /** Of those that have something; called when all that are not over have. */
  private earliestBut(one: number): BlockReader | undefined {
    let earliest: BlockReader | undefined
    for (const [index, input] of this.inputs.entries())
      if (index !== one && !input.over && (earliest === undefined || input.isBefore(earliest))) earliest = input
    return earliest
  }
}
