/** Where bytes are missing in a track, by position in what was fed; kept by position, so that reading again tells the same. */
export class Gaps {
  private readonly pending: { readonly atBytes: number; readonly lostBytes: number }[] = []

  /** `lostBytes` are missing before stream position `atBytes`. Positions only grow. */
  add(atBytes: number, lostBytes: number): void {
    this.pending.push({ atBytes, lostBytes })
  }

  /** Whether bytes are missing before the byte at `offsetBytes`, of those not taken yet. */
  hasUpTo(offsetBytes: number): boolean {
    return this.pending.length > 0 && this.pending[0]!.atBytes <= offsetBytes
  }

  /** Bytes missing before the byte at `offsetBytes`, since the last call. */
  takeUpTo(offsetBytes: number): number {
    let lostBytes = 0
    while (this.pending.length > 0 && this.pending[0]!.atBytes <= offsetBytes)
      lostBytes += this.pending.shift()!.lostBytes
    return lostBytes
  }
}
