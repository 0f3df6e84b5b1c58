/** Integers of an executable: its byte order and pointer size are known once, bounds are checked at every read. */
export class BinaryView {
  private readonly view: DataView

  constructor(
    readonly bytes: Uint8Array,
    readonly littleEndian: boolean,
    readonly pointerBytes: 4 | 8,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get sizeBytes(): number {
    return this.bytes.length
  }

  /** NaN outside the bytes, as for all reads below: comparisons with it are false, so that a damaged offset ends a search. */
  u8(at: number): number {
    return this.bytes[at] ?? NaN
  }

  u16(at: number): number {
    return this.holds(at, 2) ? this.view.getUint16(at, this.littleEndian) : NaN
  }

  u32(at: number): number {
    return this.holds(at, 4) ? this.view.getUint32(at, this.littleEndian) : NaN
  }

  i32(at: number): number {
    return this.holds(at, 4) ? this.view.getInt32(at, this.littleEndian) : NaN
  }

  /** A 64-bit number; NaN also when it is no exact float64, which no address or size of a user-space file is. */
  u64(at: number): number {
    if (!this.holds(at, 8)) return NaN
    const high = this.u32(at + (this.littleEndian ? 4 : 0))
    const low = this.u32(at + (this.littleEndian ? 0 : 4))
    return high < 1 << 21 ? high * 2 ** 32 + low : NaN
  }

  pointer(at: number): number {
    return this.pointerBytes === 8 ? this.u64(at) : this.u32(at)
  }

  setPointer(at: number, value: number): void {
    if (!this.holds(at, this.pointerBytes) || !Number.isSafeInteger(value)) return
    if (this.pointerBytes === 8) this.view.setBigUint64(at, BigInt(value), this.littleEndian)
    else this.view.setUint32(at, value, this.littleEndian)
  }

  /** Text up to a zero byte; '' outside the bytes. Longer than `maxBytes` is cut. */
  text(at: number, maxBytes = 1 << 14): string {
    if (!(at >= 0 && at < this.bytes.length)) return ''
    const limit = Math.min(this.bytes.length, at + maxBytes)
    let end = at
    while (end < limit && this.bytes[end] !== 0) end++
    return decoder.decode(this.bytes.subarray(at, end))
  }

  private holds(at: number, sizeBytes: number): boolean {
    return at >= 0 && at + sizeBytes <= this.bytes.length
  }
}

const decoder = new TextDecoder()
