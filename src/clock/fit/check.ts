import { clockErrorNs, ClockMap, type ClockPiece } from '../map.js'
import { firstAtOrAfter, type Lane, MarkKind, markKinds } from './marks.js'

/** Between epoll_pwait's return and the goroutine it makes runnable lie some µs. Source: measured, p99 is 50 µs, of a busy machine 0.4 ms. */
export const lateNs = 1e6
/** One in so many may be later than that, so that p99 is not; a few prove nothing. */
const latePerPairs = 100
const fewLate = 5
/** With fewer network unblocks there is no telling. */
const enough = 50
/** Share of network unblocks that have their epoll_pwait where no deadline expires. What perf lost cannot be found. */
const leastMatched = 0.9
const leastMatchedAfterLoss = 0.5
/** An epoll_pwait that returned longer ago is not looked for: a late one must be seen to be late, and not be taken for missing. */
const mostDelayNs = 20e6
/** A return of epoll_pwait that reported something counts as answered by a network unblock so soon after it. */
export const answerNs = 200e3
/**
 * Share of those returns that are answered. Not all are: the netpoller wakes itself up, and a socket may be ready that nobody waits for. Source: measured,
 * 0.63 to 0.98 in captures that belong together, at most 0.17 in those put 0.5 ms or more apart.
 */
const leastAnswered = 0.4
const enoughPolls = 20
/** With fewer stays of threads on a CPU there is no telling. */
const enoughStays = 20
/**
 * Share of stays that perf does not know of although it tells of every switch. Source: measured, at most 0.011 in captures that belong together, at least
 * 0.63 in those put 0.1 ms or more apart; 0.23 when a right one has lost three in five of its records and does not say so.
 */
const mostAsleep = 0.35
const mostAsleepAfterLoss = 0.5
/** One in so many, of so many at least, and the clocks are right, whatever the network unblocks look like. */
const enoughStaysToTrust = 50
const staysPerAsleep = 50

/** What the two tracks tell of moments that must coincide. Plain data. */
export interface JoinCheck {
  /** Network unblocks that have a return of epoll_pwait on their thread before them, and those that have none: expired deadlines, unless the join is wrong. */
  readonly pairs: number
  readonly unmatched: number
  /** Pairs between which perf did not see the thread lose its CPU, and those of them that lie more than 1 ms apart. */
  readonly unexplained: number
  readonly late: number
  /** Returns of epoll_pwait that reported something and were followed by a network unblock on their thread, and the others. */
  readonly answered: number
  readonly unanswered: number
  /** Stays of threads on a CPU in which they wrote Go events, and times that they did so although perf has them off the CPU. */
  readonly awake: number
  readonly asleep: number
}

/** What shows that the two tracks cannot be of one process and time: the most certain of what there is. */
export type Contradiction = 'asleep' | 'unmatched' | 'late'

export function contradictionOf(check: JoinCheck, hasLost: boolean): Contradiction | undefined {
  if (isAsleep(check, hasLost)) return 'asleep'
  if (tooFewMatched(check, hasLost) && tooFewAnswered(check) && !isAwake(check)) return 'unmatched'
  // A machine that is kept from running makes them late as well.
  return tooManyLate(check) && !isAwake(check) ? 'late' : undefined
}

/** Share of the stays on a CPU that perf does not know of. */
export function asleepShare({ awake, asleep }: JoinCheck): number {
  return asleep / (awake + asleep)
}

function isAsleep(check: JoinCheck, hasLost: boolean): boolean {
  const { awake, asleep } = check
  return awake + asleep >= enoughStays && asleepShare(check) > (hasLost ? mostAsleepAfterLoss : mostAsleep)
}

/** A thread cannot write Go events while it is off the CPU: where that holds so often, the clocks are right. */
function isAwake({ awake, asleep }: JoinCheck): boolean {
  return awake + asleep >= enoughStaysToTrust && asleep * staysPerAsleep <= awake + asleep
}

/** It may yet turn out that threads are awake when they must be, and that the network unblocks are expired deadlines. */
export function isUndecided({ awake, asleep }: JoinCheck): boolean {
  return awake > 0 && awake + asleep < enoughStaysToTrust
}

function tooFewAnswered({ answered, unanswered }: JoinCheck): boolean {
  const all = answered + unanswered
  return all >= enoughPolls && answered < all * leastAnswered
}

/** An expired deadline looks like that as well: it says something only together with what else there is. */
function tooFewMatched({ pairs, unmatched }: JoinCheck, hasLost: boolean): boolean {
  const all = pairs + unmatched
  return all >= enough && pairs < all * (hasLost ? leastMatchedAfterLoss : leastMatched)
}

function tooManyLate({ pairs, unmatched, unexplained, late }: JoinCheck): boolean {
  return pairs + unmatched >= enough && late >= fewLate && late * latePerPairs > unexplained
}

/** Whether there was enough for a wrong join to be seen. */
export function isChecked({ pairs, unmatched, awake, asleep }: JoinCheck): boolean {
  return pairs + unmatched >= enough || awake + asleep >= enoughStays
}

export const newJoinCheck = (): Counts => ({
  pairs: 0,
  unmatched: 0,
  unexplained: 0,
  late: 0,
  answered: 0,
  unanswered: 0,
  awake: 0,
  asleep: 0,
})

type Counts = { -readonly [Key in keyof JoinCheck]: number }

interface Thread {
  readonly polls: Float64Array
  /** Returns of epoll_pwait that reported nothing. */
  readonly empties: Float64Array
  /** When it went to sleep, and when it got a CPU. */
  readonly parks: Float64Array
  readonly unparks: Float64Array
}

const none = new Float64Array()

/** Holds what Go tells of threads, where perf was recording, against what perf tells of them. */
export function checkJoin(
  go: ReadonlyMap<number, Lane>,
  perf: ReadonlyMap<number, Lane>,
  pieces: readonly ClockPiece[],
  threads: ReadonlyMap<number, number> | undefined,
): JoinCheck {
  const map = new ClockMap(pieces)
  const check = newJoinCheck()
  const span = spanOf(perf, (ns) => map.goNs(ns))
  const hasPolls = [...perf.values()].some(({ kind }) => kind === MarkKind.Poll)
  const recorded = new Set([...perf.values()].map(({ tid }) => tid))
  const goSpan = spanOf(go, (ns) => ns)
  for (const [goTid, lanes] of byThread(go)) {
    // A thread that started while perf attached may not be recorded at all.
    if (threads === undefined && !recorded.has(goTid)) continue
    const thread = threadOf(perf, threads?.get(goTid) ?? goTid, map)
    const within = (times: Float64Array) => times.filter((at) => at >= span.fromNs && at <= span.toNs)
    countStays(check, thread, within(allTimes(lanes)))
    const timesOf = (kind: MarkKind) => lanes.find((lane) => lane.kind === kind)?.times ?? none
    const unblocks = timesOf(MarkKind.Poll)
    if (!hasPolls) continue
    for (const atNs of within(unblocks)) countUnblock(check, thread, timesOf(MarkKind.Start), atNs)
    for (const atNs of thread.polls)
      if (atNs >= goSpan.fromNs && atNs <= goSpan.toNs) countPoll(check, thread, unblocks, atNs)
  }
  return check
}

function spanOf(lanes: ReadonlyMap<number, Lane>, toGoNs: (ns: number) => number): { fromNs: number; toNs: number } {
  let fromNs = Infinity
  let toNs = -Infinity
  for (const { times } of lanes.values()) {
    fromNs = Math.min(fromNs, toGoNs(times[0]!))
    toNs = Math.max(toNs, toGoNs(times.at(-1)!))
  }
  return { fromNs, toNs }
}

function byThread(lanes: ReadonlyMap<number, Lane>): Map<number, Lane[]> {
  const threads = new Map<number, Lane[]>()
  for (const [key, lane] of lanes) {
    const tid = Math.floor(key / markKinds)
    threads.set(tid, [...(threads.get(tid) ?? []), lane])
  }
  return threads
}

function allTimes(lanes: readonly Lane[]): Float64Array {
  const all = new Float64Array(lanes.reduce((sum, { times }) => sum + times.length, 0))
  let size = 0
  for (const { times } of lanes) {
    all.set(times, size)
    size += times.length
  }
  return all.sort()
}

function threadOf(perf: ReadonlyMap<number, Lane>, tid: number, map: ClockMap): Thread {
  const times = (kind: MarkKind) =>
    perf
      .get(tid * markKinds + kind)
      ?.times.map((at) => map.goNs(at))
      .sort() ?? none
  return {
    polls: times(MarkKind.Poll),
    empties: times(MarkKind.EmptyPoll),
    parks: times(MarkKind.Park),
    unparks: times(MarkKind.Unpark),
  }
}

function countUnblock(check: Counts, thread: Thread, starts: Float64Array, atNs: number): void {
  const { polls, empties, parks, unparks } = thread
  const pollNs = lastBefore(polls, atNs + clockErrorNs)
  // Whoever has run a goroutine, polled in vain or slept since has not got it from there.
  const isOver = lastBefore(starts, atNs) > pollNs || lastBefore(empties, atNs - clockErrorNs) > pollNs
  if (atNs - pollNs > mostDelayNs || isOver || lastBefore(parks, atNs - clockErrorNs) > pollNs) {
    check.unmatched++
    return
  }
  check.pairs++
  if (lastBefore(unparks, atNs) > pollNs) return
  check.unexplained++
  if (atNs - pollNs > lateNs) check.late++
}

function countPoll(check: Counts, { parks, unparks }: Thread, unblocks: Float64Array, atNs: number): void {
  const unblockNs = unblocks[firstAtOrAfter(unblocks, atNs - clockErrorNs)] ?? Infinity
  // It lost its CPU in between, and did not sleep: the delay says nothing.
  const isExplained = lastBefore(unparks, unblockNs) > atNs && lastBefore(parks, unblockNs) <= atNs
  if (unblockNs - atNs <= answerNs) check.answered++
  else if (!isExplained) check.unanswered++
}

/** @param events what the thread wrote, by time */
function countStays(check: Counts, { parks, unparks }: Thread, events: Float64Array): void {
  let lastNs = -Infinity
  for (const atNs of events) {
    const inNs = lastBefore(unparks, atNs)
    const outNs = lastBefore(parks, atNs)
    const changedNs = Math.max(inNs, outNs)
    // Once for each stay, and for each time off the CPU.
    if (changedNs === -Infinity || lastNs >= changedNs) continue
    if (inNs >= outNs) check.awake++
    else {
      const backNs = unparks[firstAtOrAfter(unparks, atNs)] ?? -Infinity
      const isMissed = lastBefore(parks, backNs) > outNs
      if (isMissed || atNs - outNs <= clockErrorNs || backNs - atNs <= clockErrorNs) continue
      check.asleep++
    }
    lastNs = atNs
  }
}

/** -Infinity when there is none. */
function lastBefore(times: Float64Array, atNs: number): number {
  return times[firstAtOrAfter(times, atNs) - 1] ?? -Infinity
}
