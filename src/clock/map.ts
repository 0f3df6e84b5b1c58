/** A fitted clock may be off by so much: within it, the order of events of the two tracks proves nothing. */
export const clockErrorNs = 20e3

/** How perf's clock lies against Go's over one stretch of perf's time. Times are ns since the bases of the two readers. */
export interface ClockPiece {
  /** Where the piece begins on perf's clock; the first one also serves what lies before. */
  readonly fromPerfNs: number
  /** A moment of the piece on perf's clock, and perf's time minus Go's there. */
  readonly anchorPerfNs: number
  readonly offsetNs: number
  /** How much faster than Go's clock perf's runs, in parts per million. */
  readonly driftPpm: number
}

export function offsetAt(piece: ClockPiece, perfNs: number): number {
  return piece.offsetNs + (perfNs - piece.anchorPerfNs) * piece.driftPpm * 1e-6
}

/** From perf's time to Go's. Times mostly grow, so the last piece is tried first. */
export class ClockMap {
  private at = 0

  /** @param pieces by time, at least one */
  constructor(private readonly pieces: readonly ClockPiece[]) {}

  /** Whole ns on Go's clock. */
  goNs(perfNs: number): number {
    return Math.round(perfNs - offsetAt(this.pieceAt(perfNs), perfNs))
  }

  pieceAt(perfNs: number): ClockPiece {
    const { pieces } = this
    while (this.at > 0 && perfNs < pieces[this.at]!.fromPerfNs) this.at--
    while (this.at + 1 < pieces.length && perfNs >= pieces[this.at + 1]!.fromPerfNs) this.at++
    return pieces[this.at]!
  }
}
