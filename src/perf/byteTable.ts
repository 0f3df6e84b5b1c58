import { viewOf, type ByteSource } from './bytes.js'

/** Masks of the last word of a text of length n, by n % 4 (little-endian: the first byte is the lowest). */
const lastWordMask = Int32Array.of(0, 0xff, 0xffff, 0xffffff)

/** Words a text begins at a multiple of, so that it can be read as doubles too. */
const alignWords = 2

/**
 * Gives every distinct run of bytes a small integer, 0, 1, 2 …. Texts are kept in one array of 32-bit words, zero padded, so that
 * a comparison takes four bytes a step.
 */
export class ByteTable {
  size = 0
  private words = new Int32Array(1 << 12)
  private kept: ByteSource | undefined
  private doubles = new Float64Array(this.words.buffer)
  private wordsUsed = 0
  private startWord = new Int32Array(1 << 8)
  private lengthBytes = new Int32Array(1 << 8)
  /** Open addressing; holds id + 1, 0 = free. */
  private slots = new Int32Array(1 << 9)
  private hashes = new Int32Array(1 << 8)

  intern(source: ByteSource, start: number, length: number): number {
    const hash = hashOf(source.view, start, length)
    const mask = this.slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.slots[slot]!
      if (found === 0) {
        const id = this.add(source.view, start, length, hash)
        this.slots[slot] = id + 1
        if (this.size * 2 > this.slots.length) this.growSlots()
        return id
      }
      const id = found - 1
      if (this.hashes[id] === hash && this.lengthBytes[id] === length && this.matches(id, source.view, start)) return id
    }
  }

  /** Where the texts are kept; holds until the next `intern`. */
  get source(): ByteSource {
    if (this.kept?.view.buffer !== this.words.buffer) {
      const bytes = Buffer.from(this.words.buffer)
      this.kept = { bytes, view: viewOf(bytes) }
    }
    return this.kept
  }

  /** Position of a text in `source`. */
  start(id: number): number {
    return this.startWord[id]! * 4
  }

  length(id: number): number {
    return this.lengthBytes[id]!
  }

  /** Whether the text of `id` stands at `start`. The caller has checked that `length(id)` bytes are there. */
  matches(id: number, view: DataView, start: number): boolean {
    const length = this.lengthBytes[id]!
    const words = this.words
    let word = this.startWord[id]!
    const stop = start + (length & ~3)
    let at = start
    for (; at < stop; at += 4) if (view.getInt32(at, true) !== words[word++]) return false
    const mask = lastWordMask[length & 3]!
    return mask === 0 || (view.getInt32(at, true) & mask) === words[word]
  }

  /**
   * Position behind the text of `id` when it stands at `start` and ends before `end`; else 0. Compares eight bytes a step, as doubles, and so
   * finds nothing where such bytes are no number or zero (which has two forms): no text of printable characters.
   */
  matchEnd(id: number, view: DataView, start: number, end: number): number {
    const length = this.lengthBytes[id]!
    const behind = start + length
    if (behind > end) return 0
    const doubles = this.doubles
    let word = this.startWord[id]!
    let double = word >> 1
    let at = start
    for (const stop = start + (length & ~7); at < stop; at += 8) {
      const value = view.getFloat64(at, true)
      if (value !== doubles[double++] || value === 0) return 0
    }
    word += (at - start) >> 2
    if ((length & 4) !== 0) {
      if (view.getInt32(at, true) !== this.words[word++]) return 0
      at += 4
    }
    const mask = lastWordMask[length & 3]!
    return mask === 0 || (view.getInt32(at, true) & mask) === this.words[word] ? behind : 0
  }

  text(id: number): string {
    const start = this.startWord[id]! * 4
    const stored = Buffer.from(this.words.buffer, start, this.lengthBytes[id])
    return stored.toString('utf8')
  }

  private add(view: DataView, start: number, length: number, hash: number): number {
    const id = this.size++
    const wordCount = (length + 3) >> 2
    if (id === this.startWord.length) this.growIds()
    this.wordsUsed = Math.ceil(this.wordsUsed / alignWords) * alignWords
    if (this.wordsUsed + wordCount > this.words.length) {
      this.words = grown(this.words, Math.max(this.words.length * 2, this.wordsUsed + wordCount + alignWords))
      this.doubles = new Float64Array(this.words.buffer, 0, this.words.length >> 1)
    }
    this.startWord[id] = this.wordsUsed
    this.lengthBytes[id] = length
    this.hashes[id] = hash
    for (let i = 0; i < wordCount; i++) this.words[this.wordsUsed + i] = view.getInt32(start + i * 4, true)
    this.wordsUsed += wordCount
    if ((length & 3) !== 0) this.words[this.wordsUsed - 1]! &= lastWordMask[length & 3]!
    return id
  }

  private growIds(): void {
    const length = this.startWord.length * 2
    this.startWord = grown(this.startWord, length)
    this.lengthBytes = grown(this.lengthBytes, length)
    this.hashes = grown(this.hashes, length)
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2)
    const mask = slots.length - 1
    for (let id = 0; id < this.size; id++) {
      let slot = this.hashes[id]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = id + 1
    }
    this.slots = slots
  }
}

/** A longer copy. */
export function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length)
  copy.set(array)
  return copy
}

function hashOf(view: DataView, start: number, length: number): number {
  let hash = length
  let at = start
  for (const stop = start + (length & ~3); at < stop; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  const mask = lastWordMask[length & 3]!
  if (mask !== 0) hash = Math.imul(hash ^ (view.getInt32(at, true) & mask), 0x9e3779b1)
  return hash ^ (hash >>> 13)
}

/** Texts decoded once per distinct run of bytes. Starts afresh when it holds `limit` of them, so names cannot pile up for ever. */
export class TextCache {
  private table = new ByteTable()
  private texts: string[] = []

  constructor(private readonly limit = 1 << 16) {}

  text(source: ByteSource, start: number, end: number): string {
    if (end <= start) return ''
    const id = this.table.intern(source, start, end - start)
    let text = this.texts[id]
    if (text === undefined) {
      text = this.table.text(id)
      if (this.table.size >= this.limit) {
        this.table = new ByteTable()
        this.texts = []
      } else this.texts[id] = text
    }
    return text
  }
}
