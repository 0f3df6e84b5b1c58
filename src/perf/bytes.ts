/** Byte values the text is made of. */
export const Byte = {
  tab: 9,
  newline: 10,
  return: 13,
  space: 32,
  hash: 35,
  openParen: 40,
  closeParen: 41,
  minus: 45,
  dot: 46,
  slash: 47,
  zero: 48,
  nine: 57,
  colon: 58,
  openBracket: 91,
  closeBracket: 93,
} as const

/** Bytes that may be read past the end of any text handed to a word-wise reader. */
export const slackBytes = 8

/** Bytes with a view on the same memory and at least `slackBytes` of room behind every text in them. */
export interface ByteSource {
  readonly bytes: Buffer
  readonly view: DataView
}

/** A source holding the UTF-8 of a text, and the text's length in bytes. */
export function sourceOfText(text: string): ByteSource & { readonly end: number } {
  const end = Buffer.byteLength(text)
  const bytes = Buffer.alloc(end + slackBytes)
  bytes.write(text)
  return { bytes, view: viewOf(bytes), end }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Index of the first newline in [from, end), else -1. Four bytes a step: this is the inner loop of everything not yet interned. */
export function findNewline(view: DataView, from: number, end: number): number {
  let at = from
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true) ^ 0x0a0a0a0a
    if (((word - 0x01010101) & ~word & 0x80808080) !== 0) break
  }
  for (; at < end; at++) if (view.getUint8(at) === Byte.newline) return at
  return -1
}

/** Start of the run of decimal digits that ends before `end`; `end` itself when there is none. */
export function digitsBack(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && bytes[at - 1]! >= Byte.zero && bytes[at - 1]! <= Byte.nine) at--
  return at
}

/** Position behind the last byte before `end` that is not a space. */
export function spacesBack(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && bytes[at - 1] === Byte.space) at--
  return at
}

/** Position of the first byte from `start` on that is not a space. */
export function spacesAhead(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] === Byte.space) at++
  return at
}

/** Value of the digits in [start, end). */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + (bytes[at]! - Byte.zero)
  return value
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= Byte.zero && byte <= Byte.nine
}

/** Whether `literal` stands right before `end`. */
export function endsWith(bytes: Uint8Array, start: number, end: number, literal: Uint8Array): boolean {
  const from = end - literal.length
  return from >= start && startsWith(bytes, from, end, literal)
}

/** Whether `literal` stands at `start`. */
export function startsWith(bytes: Uint8Array, start: number, end: number, literal: Uint8Array): boolean {
  if (start + literal.length > end) return false
  for (let i = 0; i < literal.length; i++) if (bytes[start + i] !== literal[i]) return false
  return true
}

/** A whole number, perhaps negative, being read by position. */
export class Cursor {
  /** Where the next reading starts. */
  at = 0

  /** Number that starts at `at`; moves behind it. NaN when there is none. */
  intAhead(bytes: Uint8Array, end: number): number {
    const negative = bytes[this.at] === Byte.minus
    const start = negative ? this.at + 1 : this.at
    let stop = start
    while (stop < end && isDigit(bytes[stop])) stop++
    if (stop === start) return NaN
    this.at = stop
    return negative ? -decimal(bytes, start, stop) : decimal(bytes, start, stop)
  }

  /** Number that ends before `at`; moves to its start. NaN when there is none. */
  intBack(bytes: Uint8Array, start: number): number {
    const from = digitsBack(bytes, start, this.at)
    if (from === this.at) return NaN
    const value = decimal(bytes, from, this.at)
    const negative = from > start && bytes[from - 1] === Byte.minus
    this.at = negative ? from - 1 : from
    return negative ? -value : value
  }

  /** Steps back over `literal`; false when it is not there. */
  literalBack(bytes: Uint8Array, start: number, literal: Uint8Array): boolean {
    if (!endsWith(bytes, start, this.at, literal)) return false
    this.at -= literal.length
    return true
  }
}
