const nsPerSecond = 1_000_000_000n

/** Turns the trace's time units into ns since a base that keeps them exact in a float64. */
export class TraceClock {
  private nsPerUnit = 0
  private baseNumber = 0

  /** @param baseNs a whole second on the trace's clock */
  constructor(readonly baseNs: bigint) {
    this.baseNumber = Number(baseNs)
  }

  /** A base for a trace that begins at `units`. */
  static startingAt(units: number, unitsPerSecond: number): TraceClock {
    const ns = BigInt(Math.trunc(units * toNsPerUnit(unitsPerSecond)))
    return new TraceClock(ns - (ns % nsPerSecond))
  }

  setFrequency(unitsPerSecond: number): void {
    this.nsPerUnit = toNsPerUnit(unitsPerSecond)
  }

  /** A duration in whole ns; durations add up the way internal/trace adds them (each one cut to whole ns). */
  durationNs(units: number): number {
    return Math.trunc(units * this.nsPerUnit)
  }

  /** A point in time. The product has no fraction above 2^53, so BigInt takes it over exactly. */
  timeNs(units: number): number {
    const ns = Math.trunc(units * this.nsPerUnit)
    return ns <= Number.MAX_SAFE_INTEGER ? ns - this.baseNumber : Number(BigInt(ns) - this.baseNs)
  }

  get unitNs(): number {
    return this.nsPerUnit
  }

  /** Earliest point of time the format knows: 0 on the trace's clock. */
  get zeroNs(): number {
    return -this.baseNumber
  }
}

/** Written as internal/trace writes it, so that odd frequencies round alike. */
function toNsPerUnit(unitsPerSecond: number): number {
  return 1 / (unitsPerSecond / 1e9)
}
