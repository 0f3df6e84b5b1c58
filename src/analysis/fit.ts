import type { TimelineListener } from '../timeline/model.js'

/** Network unblocks against epoll returns on the same thread, over the whole input. */
export interface Fit {
  readonly pairs: number
  readonly unmatched: number
  readonly residualP50Ns: number | null
  readonly residualP99Ns: number | null
}

export const noFit: Fit = { pairs: 0, unmatched: 0, residualP50Ns: null, residualP99Ns: null }

/** Buckets per factor of two: quantiles are within 1/16 of the value. */
const bucketsPerDoubling = 16
const bucketCount = 60 * bucketsPerDoubling

const enoughPairs = 50
const leastMatched = 0.9
const leastMatchedAfterLoss = 0.5

export interface FitState {
  unmatched: number
  /** Pairs by the logarithm of their residual: memory does not grow with the input. */
  readonly buckets: number[]
}

/** Counts pairs in a fixed number of buckets. */
export class FitCheck implements TimelineListener {
  constructor(readonly state: FitState = { unmatched: 0, buckets: new Array<number>(bucketCount).fill(0) }) {}

  clockPair(_atNs: number, residualNs: number): void {
    if (Number.isNaN(residualNs)) {
      this.state.unmatched++
      return
    }
    const bucket = Math.floor(Math.log2(Math.max(1, residualNs)) * bucketsPerDoubling)
    this.state.buckets[Math.min(bucket, bucketCount - 1)]!++
  }

  /** Whether what must coincide does not, although the clocks are the same. What perf lost cannot be found. */
  contradicts(perfLost: number): boolean {
    const { pairs, unmatched } = this.summary
    const least = perfLost > 0 ? leastMatchedAfterLoss : leastMatched
    return pairs + unmatched >= enoughPairs && pairs < (pairs + unmatched) * least
  }

  get summary(): Fit {
    const pairs = this.state.buckets.reduce((sum, n) => sum + n, 0)
    return {
      pairs,
      unmatched: this.state.unmatched,
      residualP50Ns: this.quantile(pairs, 0.5),
      residualP99Ns: this.quantile(pairs, 0.99),
    }
  }

  private quantile(pairs: number, q: number): number | null {
    let left = Math.ceil(pairs * q)
    if (left === 0) return null
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      left -= this.state.buckets[bucket]!
      if (left <= 0) return Math.round(2 ** ((bucket + 0.5) / bucketsPerDoubling))
    }
    return null
  }
}
