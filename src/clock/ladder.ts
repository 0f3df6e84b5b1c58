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
}

export type ClockMethod = 'monotonic' | 'no_perf' | 'no_gotrace' | 'v1_trace' | 'other_clock' | 'no_common_thread'

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

export function decideClock(evidence: ClockEvidence): ClockDecision {
  const { goVersion, goJoinable, hasPerf, perfClockId, manifestClock } = evidence
  if (goVersion === undefined) return { method: 'no_gotrace', joined: false, reason: 'there is no readable Go trace' }
  if (!hasPerf) return { method: 'no_perf', joined: false, reason: 'there are no readable perf records' }
  if (!goJoinable) return v1Trace
  const monotonic = perfClockId === undefined ? manifestClock === 'CLOCK_MONOTONIC' : perfClockId === clockMonotonic
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
