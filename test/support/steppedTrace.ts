/** Wall seconds since the epoch as the trace writes them: five bytes, seven bits each, low ones first. */
function varint(seconds: number): Buffer {
  return Buffer.from(
    [0, 7, 14, 21, 28].map((shift) => (Math.floor(seconds / 2 ** shift) & 0x7f) | (shift < 28 ? 0x80 : 0)),
  )
}

/**
 * The trace as if its host's wall clock had been set by so many seconds before the third generation of it.
 * @param firstSecond of wall time, before the trace or its first
 */
export function steppedTrace(
  trace: Uint8Array,
  bySeconds: number,
  firstSecond: number,
): { bytes: Buffer; snapshots: number } {
  const bytes = Buffer.from(trace)
  let snapshots = 0
  for (let second = firstSecond, at = 0; second < firstSecond + 60; second++) {
    const found = bytes.indexOf(varint(second), at)
    if (found < 0) continue
    if (++snapshots > 2) varint(second + bySeconds).copy(bytes, found)
    at = found + 1
  }
  return { bytes, snapshots }
}
