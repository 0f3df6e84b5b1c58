import { ClockMap, type ClockPiece } from '../map.js'
import { firstAtOrAfter, type Lane, MarkKind, markKinds } from './marks.js'

/** An epoll_pwait that returned longer ago is not the one that made the goroutine runnable. Source: measured, p99 is 50 µs. */
const mostDelayNs = 1e6
const slackNs = 20e3

export interface PollCheck {
  readonly pairs: number
  readonly unmatched: number
}

/** Network unblocks that have a return of epoll_pwait on their thread shortly before, where perf was recording. */
export function checkPolls(
  go: ReadonlyMap<number, Lane>,
  perf: ReadonlyMap<number, Lane>,
  pieces: readonly ClockPiece[],
  threads: ReadonlyMap<number, number> | undefined,
): PollCheck {
  const map = new ClockMap(pieces)
  const polls = new Map<number, Float64Array>()
  let fromNs = Infinity
  let toNs = -Infinity
  for (const { kind, tid, times } of perf.values()) {
    fromNs = Math.min(fromNs, map.goNs(times[0]!))
    toNs = Math.max(toNs, map.goNs(times.at(-1)!))
    if (kind === MarkKind.Poll) polls.set(tid, times.map((at) => map.goNs(at)).sort())
  }
  const check = { pairs: 0, unmatched: 0 }
  if (polls.size === 0) return check
  for (const [key, lane] of go) {
    if (lane.kind !== MarkKind.Poll) continue
    const goTid = Math.floor(key / markKinds)
    const times = polls.get(threads?.get(goTid) ?? goTid)
    for (const atNs of lane.times) {
      if (atNs < fromNs || atNs > toNs) continue
      const last = times?.[firstAtOrAfter(times, atNs + slackNs) - 1]
      if (last !== undefined && atNs - last <= mostDelayNs) check.pairs++
      else check.unmatched++
    }
  }
  return check
}
