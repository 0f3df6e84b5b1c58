import { grown } from '../perf/byteTable.js'

const initialRows = 1 << 10

/** Numbers every distinct pair of whole numbers, a row each from 1 on. */
export class PairTable {
  /** Rows there are, the empty row 0 counted. */
  rows = 1
  private first = new Int32Array(initialRows)
  private second = new Int32Array(initialRows)
  /** Open addressing; 0 = free. */
  private slots = new Int32Array(initialRows * 2)

  firstOf(row: number): number {
    return this.first[row]!
  }

  secondOf(row: number): number {
    return this.second[row]!
  }

  /** The row of a pair, which is added when it is new. */
  row(first: number, second: number): number {
    const mask = this.slots.length - 1
    let slot = slotOf(first, second) & mask
    for (let found = this.slots[slot]!; found !== 0; found = this.slots[slot]!) {
      if (this.first[found] === first && this.second[found] === second) return found
      slot = (slot + 1) & mask
    }
    const added = this.rows++
    if (added === this.first.length) this.grow()
    this.first[added] = first
    this.second[added] = second
    this.slots[slot] = added
    if (this.rows * 2 > this.slots.length) this.growSlots()
    return added
  }

  private grow(): void {
    const length = this.first.length * 2
    this.first = grown(this.first, length)
    this.second = grown(this.second, length)
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2)
    const mask = slots.length - 1
    for (let row = 1; row < this.rows; row++) {
      let slot = slotOf(this.first[row]!, this.second[row]!) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = row
    }
    this.slots = slots
  }
}

function slotOf(first: number, second: number): number {
  const hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)
  return hash ^ (hash >>> 15)
}
