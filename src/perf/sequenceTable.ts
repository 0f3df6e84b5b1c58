import { grown } from './byteTable.js'

/** Gives every distinct sequence of whole numbers a small number, 1, 2, 3 …; 0 is the empty one. */
export class SequenceTable {
  /** Sequences there are, the empty one counted. */
  size = 1
  /** Numbers kept in all sequences together. */
  length = 0
  private values = new Int32Array(1 << 12)
  /** Of a sequence and, one further, of what is behind it. */
  private starts = new Int32Array(1 << 8)
  private hashes = new Int32Array(1 << 8)
  /** Open addressing; 0 = free. */
  private slots = new Int32Array(1 << 9)

  /** The number of the sequence that the first `length` elements of `source` are. */
  intern(source: Int32Array, length: number): number {
    if (length === 0) return 0
    const hash = hashOf(source, length)
    const mask = this.slots.length - 1
    let slot = hash & mask
    for (let found = this.slots[slot]!; found !== 0; found = this.slots[slot]!) {
      if (this.hashes[found] === hash && this.equals(found, source, length)) return found
      slot = (slot + 1) & mask
    }
    const id = this.size++
    this.slots[slot] = id
    this.append(id, hash, source, length)
    if (this.size * 2 > this.slots.length) this.growSlots()
    return id
  }

  /** A view that holds until the next `intern`. */
  sequence(id: number): Int32Array {
    return this.values.subarray(this.starts[id], this.starts[id + 1])
  }

  private equals(id: number, source: Int32Array, length: number): boolean {
    const { values } = this
    const start = this.starts[id]!
    if (this.starts[id + 1]! - start !== length) return false
    for (let i = 0; i < length; i++) if (values[start + i] !== source[i]) return false
    return true
  }

  private append(id: number, hash: number, source: Int32Array, length: number): void {
    if (id + 2 > this.starts.length) {
      this.starts = grown(this.starts, this.starts.length * 2)
      this.hashes = grown(this.hashes, this.hashes.length * 2)
    }
    if (this.length + length > this.values.length) {
      this.values = grown(this.values, Math.max(this.values.length * 2, this.length + length))
    }
    for (let i = 0; i < length; i++) this.values[this.length + i] = source[i]!
    this.starts[id] = this.length
    this.length += length
    this.starts[id + 1] = this.length
    this.hashes[id] = hash
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2)
    const mask = slots.length - 1
    for (let id = 1; id < this.size; id++) {
      let slot = this.hashes[id]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = id
    }
    this.slots = slots
  }
}

function hashOf(source: Int32Array, length: number): number {
  let hash = length
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ source[i]!, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}
