/** One moment on both clocks. */
export interface WallPair {
  readonly monotonicNs: bigint
  readonly wallNs: bigint
}

export type WallSource = 'gotrace' | 'perf' | 'manifest' | 'none'

export interface Wall {
  /** Wall time, ns since the epoch, of monotonic time 0. */
  readonly originNs: bigint
  readonly source: WallSource
}

/**
 * Wall time from the best witness: the Go trace's own snapshot (Go ≥ 1.25), perf's reference time (µs), the capture's manifest.
 * Without any, times are those of the recording's clock, and `source` says so.
 */
export function chooseWall(
  gotrace: WallPair | undefined,
  perf: WallPair | undefined,
  manifest: WallPair | undefined,
): Wall {
  const witnesses = [
    ['gotrace', gotrace],
    ['perf', perf],
    ['manifest', manifest],
  ] as const
  for (const [source, pair] of witnesses) {
    if (pair !== undefined) return { originNs: pair.wallNs - pair.monotonicNs, source }
  }
  return { originNs: 0n, source: 'none' }
}
