import { checkRefuses, lateNs } from '../clock/fit/check.js'
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

/** What has been joined is given up in the middle only when so many moments have been looked at. */
const enoughToRefuse = 200

export interface FitState {
  unmatched: number
  /** Pairs whose delay nothing explains, and those of them that are too long. */
  unexplained: number
  late: number
  /** Pairs by the logarithm of their residual: memory does not grow with the input. */
  readonly buckets: number[]
}

/** Counts pairs in a fixed number of buckets. */
export class FitCheck implements TimelineListener {
  constructor(readonly state: FitState = newFitState()) {}

  clockPair(_atNs: number, residualNs: number, isExplained: boolean): void {
    const { state } = this
    if (Number.isNaN(residualNs)) {
      state.unmatched++
      return
    }
    if (!isExplained) {
      state.unexplained++
      if (residualNs > lateNs) state.late++
    }
    const bucket = Math.floor(Math.log2(Math.max(1, residualNs)) * bucketsPerDoubling)
    state.buckets[Math.min(bucket, bucketCount - 1)]!++
  }

  /** Whether what must coincide does not. */
  contradicts(perfLost: number): boolean {
    const { pairs } = this
    return checkRefuses({ ...this.state, pairs }, perfLost > 0)
  }

  /** The same, of so many moments that it will not change any more. */
  refuses(perfLost: number): boolean {
    return this.pairs + this.state.unmatched >= enoughToRefuse && this.contradicts(perfLost)
  }

  private get pairs(): number {
    return this.state.buckets.reduce((sum, n) => sum + n, 0)
  }

  get summary(): Fit {
    const { pairs } = this
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

function newFitState(): FitState {
  return { unmatched: 0, unexplained: 0, late: 0, buckets: new Array<number>(bucketCount).fill(0) }
}
