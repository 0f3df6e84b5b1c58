import { ByteTable, grown } from './byteTable.js'
import type { ByteSource } from './bytes.js'

const guessBits = 14

/**
 * Call stacks as a tree: a node is a line below its parent's, the root (0) is the empty stack, so a stack is the node its last
 * line leads to. A line is looked for where it was last time: first as the child that this node's previous visitor had,
 * then as the line with the same address; both are plain comparisons with stored bytes. Only then is it hashed.
 */
export class StackTable {
  readonly lines = new ByteTable()
  nodes = 1
  private parent = new Int32Array(1 << 10)
  private line = new Int32Array(1 << 10)
  /** The child taken by the last visitor, 0 = none. */
  private lastChild = new Int32Array(1 << 10)
  /** (parent, line) → node; open addressing, 0 = free. */
  private slots = new Int32Array(1 << 11)
  /** Address bytes → line + 1. */
  private readonly guesses = new Int32Array(1 << guessBits)

  parentOf(node: number): number {
    return this.parent[node]!
  }

  lineOf(node: number): number {
    return this.line[node]!
  }

  /**
   * The child of `node` for the line at `start`, newline included, when the line is known and complete before `end`; else 0.
   * `lineLength` of the result tells how far to move on.
   */
  known(node: number, source: ByteSource, start: number, end: number): number {
    const { view } = source
    const child = this.lastChild[node]!
    if (child !== 0) {
      const line = this.line[child]!
      if (start + this.lines.length(line) <= end && this.lines.matches(line, view, start)) return child
    }
    if (start + 20 > end) return 0
    const line = this.guesses[guessSlot(view, start)]! - 1
    if (line < 0 || start + this.lines.length(line) > end || !this.lines.matches(line, view, start)) return 0
    return this.child(node, line)
  }

  /** The child of `node` for any complete line of `length` bytes, newline included. */
  add(node: number, source: ByteSource, start: number, length: number): number {
    const line = this.lines.intern(source, start, length)
    if (length >= 20) this.guesses[guessSlot(source.view, start)] = line + 1
    return this.child(node, line)
  }

  /** Bytes of the line `node` ends with, newline included. */
  lineLength(node: number): number {
    return this.lines.length(this.line[node]!)
  }

  /** Lines of the stack, first line first. */
  linesOf(node: number): number[] {
    const lines: number[] = []
    for (let at = node; at !== 0; at = this.parent[at]!) lines.push(this.line[at]!)
    return lines.reverse()
  }

  /** The child of `node` for an interned line. */
  child(node: number, line: number): number {
    const mask = this.slots.length - 1
    let slot = slotOf(node, line) & mask
    for (let found = this.slots[slot]!; found !== 0; found = this.slots[slot]!) {
      if (this.parent[found] === node && this.line[found] === line) {
        this.lastChild[node] = found
        return found
      }
      slot = (slot + 1) & mask
    }
    const added = this.nodes++
    if (added === this.parent.length) this.grow()
    this.parent[added] = node
    this.line[added] = line
    this.lastChild[node] = added
    this.slots[slot] = added
    if (this.nodes * 2 > this.slots.length) this.growSlots()
    return added
  }

  private grow(): void {
    const length = this.parent.length * 2
    this.parent = grown(this.parent, length)
    this.line = grown(this.line, length)
    this.lastChild = grown(this.lastChild, length)
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2)
    const mask = slots.length - 1
    for (let node = 1; node < this.nodes; node++) {
      let slot = slotOf(this.parent[node]!, this.line[node]!) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = node
    }
    this.slots = slots
  }
}

function slotOf(node: number, line: number): number {
  const hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(line, 0x85ebca6b)
  return hash ^ (hash >>> 15)
}

/** From the last twelve digits of the address and the first letters of the symbol: perf right-aligns the address to column 17. */
function guessSlot(view: DataView, start: number): number {
  let hash = Math.imul(view.getInt32(start + 5, true), 0x9e3779b1) ^ view.getInt32(start + 9, true)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ view.getInt32(start + 13, true)
  hash = Math.imul(hash ^ (hash >>> 13), 0x9e3779b1) ^ view.getInt32(start + 16, true)
  return Math.imul(hash, 0x85ebca6b) >>> (32 - guessBits)
}
