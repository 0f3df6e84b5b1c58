import { Broken } from './problems.js'

/**
 * Reads unsigned LEB128 numbers from a buffer at a moving position. Numbers over 2^53 lose their low bits (`readExact` keeps them);
 * 2^64-1, which the format uses for "none", reads as exactly 2^64.
 */
export class VarintReader {
  buf: Uint8Array
  pos = 0
  /** Reading at or past this index is an error. */
  end = 0

  constructor(buf: Uint8Array = new Uint8Array(0)) {
    this.buf = buf
    this.end = buf.length
  }

  at(buf: Uint8Array, pos: number, end: number): this {
    this.buf = buf
    this.pos = pos
    this.end = end
    return this
  }

  byte(): number {
    if (this.pos >= this.end) throw new Broken('bad_batch', 'a record runs past the end of its batch', this.pos)
    return this.buf[this.pos++]!
  }

  read(): number {
    const b = this.byte()
    return b < 0x80 ? b : this.readRest(b & 0x7f)
  }

  private readRest(low: number): number {
    let value = low
    let scale = 128
    for (let i = 1; i < 10; i++) {
      const b = this.byte()
      value += (b & 0x7f) * scale
      // 2^64 is as far as the format goes: the tenth byte may only hold one bit.
      if (b < 0x80) return i === 9 && b > 1 ? this.overlong() : value
      scale *= 128
    }
    return this.overlong()
  }

  readExact(): bigint {
    let value = 0n
    for (let i = 0; i < 10; i++) {
      const b = this.byte()
      value |= BigInt(b & 0x7f) << BigInt(7 * i)
      if (b < 0x80) return i === 9 && b > 1 ? BigInt(this.overlong()) : value
    }
    return BigInt(this.overlong())
  }

  private overlong(): never {
    throw new Broken('bad_batch', 'a number is longer than 64 bits', this.pos)
  }
}

/** 2^64 - 1 as `VarintReader.read` returns it: the format's "no thread", "no P". */
export const noneOnWire = 2 ** 64

/** An id as signed: the format writes -1 as 2^64-1. */
export function signedId(value: number): number {
  return asInteger(value >= 2 ** 63 ? value - noneOnWire - (value === noneOnWire ? 1 : 0) : value)
}

/**
 * The same number, as the engine's integer where it is small: out of arithmetic with large ones it comes as a double. A field that has held integers alone
 * is compiled for those, and the first double throws away every function compiled for such objects.
 */
export function asInteger(value: number): number {
  const small = value | 0
  return small === value ? small : value
}
