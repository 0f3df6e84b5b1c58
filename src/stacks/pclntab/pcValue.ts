import type { BinaryView } from '../bytes.js'

/** A function of a real program has far fewer; a damaged table ends here. */
const maxSteps = 1 << 20

/**
 * The value that a pc-value table gives for an instruction, -1 when it says nothing. The table is a list of pairs (difference of
 * the value as zig-zag varint, distance to where the next value begins), from -1 at the function's entry, up to a value difference of 0.
 */
export function pcValue(view: BinaryView, tableAt: number, quantum: number, distance: number): number {
  const cursor = { at: tableAt }
  let value = -1
  let reached = 0
  for (let step = 0; step < maxSteps; step++) {
    const coded = varint(view, cursor)
    if (coded === undefined || (coded === 0 && step > 0)) return -1
    value = (value + ((coded & 1) === 1 ? ~(coded >>> 1) : coded >>> 1)) | 0
    const advance = varint(view, cursor)
    if (advance === undefined) return -1
    reached += advance * quantum
    if (distance < reached) return value
  }
  return -1
}

/** Undefined behind the end of the bytes, or when it has more than 32 bits. */
function varint(view: BinaryView, cursor: { at: number }): number | undefined {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = view.bytes[cursor.at++]
    if (byte === undefined) return undefined
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value >>> 0
  }
  return undefined
}
