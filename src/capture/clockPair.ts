/** One moment on both clocks, in ns as decimal strings, as the manifest keeps it. */
export interface ClockPair {
  readonly monotonicNs: string
  readonly wallNs: string
}

const attempts = 5

/**
 * Reads the wall clock and CLOCK_MONOTONIC (`process.hrtime` on Linux) for one moment. The wall clock comes in whole milliseconds
 * only, so the moment is the one at which it steps; the narrowest of a few tries counts. Good to about a microsecond.
 */
export function readClockPair(): ClockPair {
  let best = { widthNs: Number.MAX_SAFE_INTEGER, monotonicNs: 0n, wallMs: 0 }
  for (let attempt = 0; attempt < attempts; attempt++) {
    const firstMs = Date.now()
    let before = process.hrtime.bigint()
    for (;;) {
      const wallMs = Date.now()
      const after = process.hrtime.bigint()
      const widthNs = Number(after - before)
      if (wallMs !== firstMs) {
        if (widthNs < best.widthNs) best = { widthNs, monotonicNs: (before + after) / 2n, wallMs }
        break
      }
      before = after
    }
  }
  return { monotonicNs: String(best.monotonicNs), wallNs: String(BigInt(best.wallMs) * 1_000_000n) }
}
