import { ByteTable, grown } from './byteTable.js'
import type { ByteSource } from './bytes.js'
import { SequenceTable } from './sequenceTable.js'

const guessBits = 16
/** Bytes of a line that tell where to guess it. */
const guessBytes = 20

/**
 * Call stacks as sequences of lines, each distinct line and each distinct stack kept once. A line is looked for first as the one that followed
 * the line above it last time, because most functions are called from one place; then as the line with the same address. Both are plain
 * comparisons with stored bytes. Only then is it hashed.
 */
export class StackTable {
  readonly lines = new ByteTable()
  readonly stacks = new SequenceTable()
  /** Number of lines of the stack being read. */
  depth = 0
  private open = new Int32Array(1 << 8)
  /** Number of the stack being read, -1 = not asked for yet. */
  private number = -1
  /** Line + 1 (0: above the first line) → the line that followed it last, + 1. */
  private followers = new Int32Array(1 << 10)
  /** Address bytes → line + 1. */
  private readonly guesses = new Int32Array(1 << guessBits)

  /** Starts a new stack. */
  begin(): void {
    this.depth = 0
    this.number = -1
  }

  /** A line of the stack being read. */
  lineAt(index: number): number {
    return this.open[index]!
  }

  /** Adds the lines from `start` on that are known and complete before `end`, newlines included. @returns the position behind them */
  readKnown(source: ByteSource, start: number, end: number, deepest: number): number {
    const { view } = source
    const { lines } = this
    let at = start
    let above = this.depth === 0 ? 0 : this.open[this.depth - 1]! + 1
    while (this.depth < deepest) {
      let line = this.followers[above]! - 1
      let behind = line < 0 ? 0 : lines.matchEnd(line, view, at, end)
      if (behind === 0) {
        if (at + guessBytes > end) return at
        line = this.guesses[guessSlot(view, at)]! - 1
        behind = line < 0 ? 0 : lines.matchEnd(line, view, at, end)
        if (behind === 0) return at
        this.followers[above] = line + 1
      }
      if (this.depth === this.open.length) this.open = grown(this.open, this.open.length * 2)
      this.open[this.depth++] = line
      above = line + 1
      at = behind
    }
    return at
  }

  /** Adds any complete line of `length` bytes, newline included. @returns its number */
  add(source: ByteSource, start: number, length: number): number {
    const line = this.lines.intern(source, start, length)
    if (length >= guessBytes) this.guesses[guessSlot(source.view, start)] = line + 1
    this.push(line)
    return line
  }

  /** Adds an interned line. */
  push(line: number): void {
    if (line + 1 >= this.followers.length) this.followers = grown(this.followers, this.followers.length * 2)
    this.followers[this.depth === 0 ? 0 : this.open[this.depth - 1]! + 1] = line + 1
    if (this.depth === this.open.length) this.open = grown(this.open, this.open.length * 2)
    this.open[this.depth++] = line
  }

  /** Number of the stack that was read, 0 for the empty one. */
  finish(): number {
    if (this.number < 0) this.number = this.stacks.intern(this.open, this.depth)
    return this.number
  }

  /** Lines of a stack, first line first; holds until another stack is finished. */
  linesOf(stack: number): Int32Array {
    return this.stacks.sequence(stack)
  }
}

/** From the last twelve digits of the address and the first letters of the symbol: perf right-aligns the address to column 17. */
function guessSlot(view: DataView, start: number): number {
  let hash = Math.imul(view.getInt32(start + 5, true), 0x9e3779b1) ^ view.getInt32(start + 9, true)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ view.getInt32(start + 13, true)
  hash = Math.imul(hash ^ (hash >>> 13), 0x9e3779b1) ^ view.getInt32(start + 16, true)
  return Math.imul(hash, 0x85ebca6b) >>> (32 - guessBits)
}
