import type { Contradiction } from './fit/check.js'
import type { FittedPairs } from './fit/partners.js'
import { type ClockPiece, offsetAt } from './map.js'

/**
 * Whether the two tracks can be put on one axis, and how. A rung is never guessed: what cannot be shown to share a clock is not
 * joined, and the reason is part of the result.
 */
export interface ClockDecision {
  /** Value of clock_fits.method. */
  readonly method: ClockMethod
  readonly joined: boolean
  /** One sentence for the person who reads the result; empty when all is well. */
  readonly reason: string
  /** Of an inferred join, 0 to 1: the share of what happened on Go's threads that perf's threads confirm. */
  readonly confidence?: number
  /** How perf's clock lies against Go's, when it is not the same. */
  readonly fit?: FittedClock
  /** Thread of the Go trace → thread of perf, when they go by different names. */
  readonly threads?: ReadonlyMap<number, number> | undefined
}

/** Plain data. */
export interface FittedClock {
  readonly pieces: readonly ClockPiece[]
  /** Perf's base minus Go's: with a piece's offset, which is between times since the bases, the difference of the clocks. ns */
  readonly baseOffsetNs: bigint
  /** What it was fitted to, over all pieces; undefined when it is that of readings of the wall clock. */
  readonly pairs: FittedPairs | undefined
}

export type ClockMethod =
  | 'monotonic'
  /** Offset and drift were fitted from events that both tracks tell of. */
  | 'fitted'
  /** The same, and the threads were found out as well: approximate. */
  | 'inferred'
  /** The offset is that of two readings of the wall clock: there was too little to fit it to. */
  | 'reference'
  | 'no_perf'
  | 'no_gotrace'
  | 'v1_trace'
  | 'other_clock'
  | 'no_common_thread'
  | 'no_common_time'
  | 'fit_failed'
  | 'unaligned'

export interface ClockEvidence {
  /** Version in the header of the Go trace; undefined without a Go trace. */
  readonly goVersion: string | undefined
  /** The Go trace names threads by the system's ids, and times are CLOCK_MONOTONIC: both since Go 1.22. */
  readonly goJoinable: boolean
  /** perf records were read. */
  readonly hasPerf: boolean
  /** clockid of perf's header; undefined when it says nothing. Source: clock_gettime(2), 1 is CLOCK_MONOTONIC. */
  readonly perfClockId: number | undefined
  /** What the capture's manifest says of perf's clock. */
  readonly manifestClock: 'CLOCK_MONOTONIC' | 'unknown' | undefined
}

const clockMonotonic = 1

/** Whether perf's header says CLOCK_MONOTONIC. */
export function isMonotonic(perfClockId: number | undefined): boolean {
  return perfClockId === clockMonotonic
}

export function decideClock(evidence: ClockEvidence): ClockDecision {
  const { goVersion, goJoinable, hasPerf, perfClockId, manifestClock } = evidence
  if (goVersion === undefined) return { method: 'no_gotrace', joined: false, reason: 'there is no readable Go trace' }
  if (!hasPerf) return { method: 'no_perf', joined: false, reason: 'there are no readable perf records' }
  if (!goJoinable) return v1Trace
  const monotonic = perfClockId === undefined ? manifestClock === 'CLOCK_MONOTONIC' : isMonotonic(perfClockId)
  if (monotonic) return { method: 'monotonic', joined: true, reason: '' }
  const said =
    perfClockId === undefined ? 'perf’s text does not say which clock it used' : `perf used clock ${perfClockId}`
  return {
    method: 'other_clock',
    joined: false,
    reason:
      `${said}, the Go trace uses CLOCK_MONOTONIC: record with \`perf record -k CLOCK_MONOTONIC\` and print with ` +
      '`perf script --header`; until then each track is reported alone',
  }
}

const v1Trace: ClockDecision = {
  method: 'v1_trace',
  joined: false,
  reason:
    'Go 1.21 and older traces carry neither thread ids nor CLOCK_MONOTONIC, so nothing ties them to perf’s records: build the ' +
    'program with Go 1.22 or newer; until then each track is reported alone',
}

export const noCommonThread: ClockDecision = {
  method: 'no_common_thread',
  joined: false,
  reason:
    'no thread of the Go trace occurs in perf’s records: perf recorded another process or another time (or another pid ' +
    'namespace); each track is reported alone',
}

/** One track ends before the other begins: `apartNs` lie between them. */
export function noCommonTime(apartNs: number): ClockDecision {
  return {
    method: 'no_common_time',
    joined: false,
    reason:
      `perf and the Go trace recorded at different times: one ends ${(apartNs / 1e9).toFixed(3)} s before the other begins; ` +
      'each track is reported alone',
  }
}

const contradictions: Readonly<Record<Contradiction, string>> = {
  asleep: 'threads write to the Go trace while perf has them off the CPU',
  unmatched: 'too many network unblocks have no epoll_pwait within 1 ms before them on their thread',
  late: 'too many network unblocks come more than 1 ms after the epoll_pwait on their thread',
}

/** What must coincide does not, although the clocks agree. */
export function unaligned({ method }: ClockDecision, contradiction: Contradiction): ClockDecision {
  const agree = method === 'monotonic' ? 'both tracks say CLOCK_MONOTONIC' : 'the clocks of the two tracks were fitted'
  return {
    method: 'unaligned',
    joined: false,
    reason:
      `${agree}, but ${contradictions[contradiction]}: captures of different processes or times; ` +
      'each track is reported alone',
  }
}

/** Whether it takes a reading of all of both tracks to find that they do not belong together: what was told until then is joined. */
export function isFoundLate({ method }: ClockDecision): boolean {
  return method === 'unaligned' || method === 'no_common_time'
}

/**
 * Perf's time minus Go's before a moment of the axis, and its drift; undefined when not joined. The difference is null where it is too
 * large for a float64 to hold every ns.
 */
export function offsetBefore(
  { joined, fit }: ClockDecision,
  atNs: number,
): { readonly offsetNs: number | null; readonly driftPpm: number } | undefined {
  if (!joined) return undefined
  if (fit === undefined) return { offsetNs: 0, driftPpm: 0 }
  const { pieces, baseOffsetNs } = fit
  const piece = pieces.findLast((each) => each.fromPerfNs - each.offsetNs < atNs) ?? pieces[0]!
  const perfNs = Number.isFinite(atNs) ? atNs + piece.offsetNs : piece.anchorPerfNs
  const offsetNs = Number(baseOffsetNs) + Math.round(offsetAt(piece, perfNs))
  return { offsetNs: Number.isSafeInteger(offsetNs) ? offsetNs : null, driftPpm: piece.driftPpm }
}
