import {
  answerNs,
  type Contradiction,
  contradictionOf,
  isChecked,
  isUndecided,
  type JoinCheck,
  lateNs,
  newJoinCheck,
} from '../clock/fit/check.js'
import type { NetpollDelay, TimelineListener } from '../timeline/model.js'

/** What checked the join, over the whole input: network unblocks against epoll returns on the same thread, and threads that must be on a CPU. */
export interface Fit {
  readonly pairs: number
  readonly unmatched: number
  /** Network unblocks whose thread the trace does not name. */
  readonly unplaced: number
  /** Stays of threads on a CPU in which they wrote Go events, and times that they did so although perf has them off the CPU. */
  readonly awake: number
  readonly asleep: number
  /** A wrong join would have been seen. */
  readonly isChecked: boolean
  readonly residualP50Ns: number | null
  readonly residualP99Ns: number | null
}

export const noFit: Fit = {
  pairs: 0,
  unmatched: 0,
  unplaced: 0,
  awake: 0,
  asleep: 0,
  isChecked: false,
  residualP50Ns: null,
  residualP99Ns: null,
}

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
  /** As in JoinCheck. */
  answered: number
  unanswered: number
  awake: number
  asleep: number
  unplaced: number
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

  pollEnded(_atNs: number, answeredAfterNs: number, isExplained: boolean): void {
    if (answeredAfterNs <= answerNs) this.state.answered++
    else if (!isExplained) this.state.unanswered++
  }

  threadWrote(_atNs: number, isAwake: boolean): void {
    if (isAwake) this.state.awake++
    else this.state.asleep++
  }

  netpollDelay({ ready }: NetpollDelay): void {
    if (ready.tid < 0) this.state.unplaced++
  }

  /** What must coincide and does not. */
  contradiction(perfLost: number): Contradiction | undefined {
    return contradictionOf(this.check, perfLost > 0)
  }

  /** Whether there is such a thing, in so many moments that it will not change any more. */
  refuses(perfLost: number): boolean {
    const { unmatched, awake, asleep } = this.state
    const moments = Math.max(this.pairs + unmatched, awake + asleep)
    const contradiction = moments < enoughToRefuse ? undefined : this.contradiction(perfLost)
    return contradiction !== undefined && (contradiction === 'asleep' || !isUndecided(this.check))
  }

  private get check(): JoinCheck {
    return { ...this.state, pairs: this.pairs }
  }

  private get pairs(): number {
    return this.state.buckets.reduce((sum, n) => sum + n, 0)
  }

  get summary(): Fit {
    const { pairs } = this
    const { unmatched, unplaced, awake, asleep } = this.state
    return {
      ...{ pairs, unmatched, unplaced, awake, asleep },
      isChecked: isChecked(this.check),
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
  const { unmatched, unexplained, late, answered, unanswered, awake, asleep } = newJoinCheck()
  const buckets = new Array<number>(bucketCount).fill(0)
  return { unmatched, unexplained, late, answered, unanswered, awake, asleep, unplaced: 0, buckets }
}
