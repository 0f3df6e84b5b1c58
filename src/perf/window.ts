import { findNewline, slackBytes, viewOf, type ByteSource } from './bytes.js'

/** The part of the stream not read yet, in one growing buffer. Chunks are copied in. */
export class ByteWindow implements ByteSource {
  bytes: Buffer = Buffer.alloc(1 << 16)
  view: DataView = viewOf(this.bytes)
  /** Next byte to read. */
  pos = 0
  /** Behind the last byte pushed. */
  end = 0
  /** No newline in [pos, searched): a line that grows byte by byte is not searched again and again. */
  private searched = 0

  /** Position of `pos` in the stream. Beyond 2 GiB it is no integer of the engine's: it is kept as a double from the start. */
  streamPos = 0.5

  constructor(streamPos: number) {
    this.streamPos = streamPos
  }

  /** Appends a chunk. What lies before `pos` may go. */
  push(chunk: Uint8Array): void {
    this.makeRoom(chunk.length)
    this.bytes.set(chunk, this.end)
    this.end += chunk.length
  }

  /**
   * Makes room for so many bytes behind `end`. What lies before `pos` may go, except [keepStart, keepEnd), which then moves to the front.
   * @returns how far `keepStart` moved to the left
   */
  makeRoom(sizeBytes: number, keepStart = 0, keepEnd = 0): number {
    return this.end + sizeBytes + slackBytes > this.bytes.length ? this.compact(sizeBytes, keepStart, keepEnd) : 0
  }

  /** Position behind the last byte of the line at `pos`, newline excluded; -1 when its newline has not come yet. */
  lineEnd(): number {
    const found = findNewline(this.view, Math.max(this.pos, this.searched), this.end)
    this.searched = found < 0 ? this.end : found
    return found
  }

  moveTo(pos: number): void {
    this.streamPos += pos - this.pos
    this.pos = pos
  }

  private compact(room: number, keepStart: number, keepEnd: number): number {
    const kept = keepEnd - keepStart
    const rest = this.end - this.pos
    const needed = kept + rest + room + slackBytes
    const old = this.bytes
    if (needed > old.length / 2) {
      this.bytes = Buffer.alloc(Math.max(old.length * 2, needed * 2))
      this.view = viewOf(this.bytes)
    }
    old.copy(this.bytes, 0, keepStart, keepEnd)
    old.copy(this.bytes, kept, this.pos, this.end)
    this.searched = Math.max(this.searched - this.pos, 0) + kept
    this.pos = kept
    this.end = kept + rest
    return keepStart
  }
}
