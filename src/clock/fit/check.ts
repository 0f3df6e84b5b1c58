import { ClockMap, type ClockPiece } from '../map.js'
import { firstAtOrAfter, type Lane, MarkKind, markKinds } from './marks.js'

/** Between epoll_pwait's return and the goroutine it makes runnable lie some µs. Source: measured, p99 is 50 µs, of a busy machine 0.4 ms. */
export const lateNs = 1e6
/** One in so many may be later than that, so that p99 is not; a few prove nothing. */
const latePerPairs = 100
const fewLate = 5
/** With fewer network unblocks there is no telling. */
const enough = 50
/** Share of network unblocks that must have their epoll_pwait. What perf lost cannot be found. */
const leastMatched = 0.9
const leastMatchedAfterLoss = 0.5
/** An epoll_pwait that returned longer ago is not looked for: a late one must be seen to be late, and not be taken for missing. */
const mostDelayNs = 20e6
const slackNs = 20e3

export interface PollCheck {
  /** Network unblocks that have a return of epoll_pwait on their thread before them, and those that have none. */
  readonly pairs: number
  readonly unmatched: number
  /** Pairs between which perf did not see the thread lose its CPU, and those of them that lie more than 1 ms apart. */
  readonly unexplained: number
  readonly late: number
}

/** Whether the two tracks cannot be of one process and time. */
export function checkRefuses(check: PollCheck, hasLost: boolean): boolean {
  return tooFewMatched(check, hasLost) || tooManyLate(check)
}

export function tooFewMatched({ pairs, unmatched }: PollCheck, hasLost: boolean): boolean {
  const all = pairs + unmatched
  return all >= enough && pairs < all * (hasLost ? leastMatchedAfterLoss : leastMatched)
}

export function tooManyLate({ pairs, unmatched, unexplained, late }: PollCheck): boolean {
  return pairs + unmatched >= enough && late >= fewLate && late * latePerPairs > unexplained
}

interface Thread {
  readonly polls: Float64Array
  /** When it went to sleep, and when it got a CPU. */
  readonly parks: Float64Array
  readonly unparks: Float64Array
}

const none = new Float64Array()

/** Holds the network unblocks, where perf was recording, against the returns of epoll_pwait on their threads. */
export function checkPolls(
  go: ReadonlyMap<number, Lane>,
  perf: ReadonlyMap<number, Lane>,
  pieces: readonly ClockPiece[],
  threads: ReadonlyMap<number, number> | undefined,
): PollCheck {
  const map = new ClockMap(pieces)
  let fromNs = Infinity
  let toNs = -Infinity
  let hasPolls = false
  const recorded = new Set<number>()
  for (const { kind, tid, times } of perf.values()) {
    recorded.add(tid)
    fromNs = Math.min(fromNs, map.goNs(times[0]!))
    toNs = Math.max(toNs, map.goNs(times.at(-1)!))
    hasPolls ||= kind === MarkKind.Poll
  }
  const check = { pairs: 0, unmatched: 0, unexplained: 0, late: 0 }
  if (!hasPolls) return check
  for (const [key, lane] of go) {
    if (lane.kind !== MarkKind.Poll) continue
    const goTid = Math.floor(key / markKinds)
    // A thread that started while perf attached may not be recorded at all.
    if (threads === undefined && !recorded.has(goTid)) continue
    const thread = threadOf(perf, threads?.get(goTid) ?? goTid, map)
    for (const atNs of lane.times) {
      if (atNs >= fromNs && atNs <= toNs) count(check, thread, atNs)
    }
  }
  return check
}

function threadOf(perf: ReadonlyMap<number, Lane>, tid: number, map: ClockMap): Thread {
  const times = (kind: MarkKind) =>
    perf
      .get(tid * markKinds + kind)
      ?.times.map((at) => map.goNs(at))
      .sort() ?? none
  return { polls: times(MarkKind.Poll), parks: times(MarkKind.Park), unparks: times(MarkKind.Unpark) }
}

type Counts = { -readonly [Key in keyof PollCheck]: number }

function count(check: Counts, { polls, parks, unparks }: Thread, atNs: number): void {
  const pollNs = lastBefore(polls, atNs + slackNs)
  // Whoever slept since has come back from another epoll_pwait, or from none.
  if (atNs - pollNs > mostDelayNs || lastBefore(parks, atNs - slackNs) > pollNs) {
    check.unmatched++
    return
  }
  check.pairs++
  if (lastBefore(unparks, atNs) > pollNs) return
  check.unexplained++
  if (atNs - pollNs > lateNs) check.late++
}

/** -Infinity when there is none. */
function lastBefore(times: Float64Array, atNs: number): number {
  return times[firstAtOrAfter(times, atNs) - 1] ?? -Infinity
}
