/** When which bytes of a track left their host. Kept by position, so that re-reading the same messages tells the same times. */
export class Shipments {
  private readonly pending: { readonly endBytes: number; readonly atMs: number }[] = []

  /** The bytes up to stream position `endBytes`, after those of the previous call, were shipped at `atMs`. */
  add(endBytes: number, atMs: number): void {
    this.pending.push({ endBytes, atMs })
  }

  /** When the byte at `offsetBytes` was shipped, ms since the epoch; undefined when it was not shipped live. Offsets only grow. */
  at(offsetBytes: number): number | undefined {
    while (this.pending.length > 0 && this.pending[0]!.endBytes <= offsetBytes) this.pending.shift()
    return this.pending[0]?.atMs
  }
}
