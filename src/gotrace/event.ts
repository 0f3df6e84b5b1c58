import { maxArgs } from './spec.js'

/** One moment on three clocks, from the trace itself (Go 1.25 and later). */
export interface ClockSnapshot {
  /** On the trace's clock, ns since the reader's `baseNs`. */
  readonly traceNs: number
  readonly monotonicNs: bigint
  /** Since the epoch. */
  readonly wallNs: bigint
}

/**
 * The reader's cursor: one object, overwritten by every `next()`. Coroutine switches appear as three events (GoUnblock of the target,
 * GoBlock or GoDestroy of the switching goroutine, GoStart of the target), a GoDestroySyscall that abandons a P as ProcSteal and GoDestroySyscall.
 */
export class GoEvent {
  /** `Ev.*` */
  type = 0
  gen = 0
  /** Raw time, ns since the reader's `baseNs`. The fraction makes the engine keep times as doubles from the start. */
  timeNs = 0.5
  /** `timeNs` pushed forward where needed so that it strictly increases, as `go tool trace` prints it. */
  orderedNs = 0.5
  /** Scheduling context before the event, -1 = none. */
  tid = -1
  p = -1
  goid = -1
  /** Arguments after the time, by position in the event table. Beyond 2^53 rounded; `GoTraceReader.exactArg` is not. STWEnd has the kind of its begin. */
  readonly args = new Float64Array(maxArgs)
  /** The event's own stack, 0 = none. */
  stackId = 0
  /** For state transitions, `GoState` or `ProcState` of what the event is about, before and after. */
  from = 0
  to = 0
  /** Task name at UserTaskBegin and UserTaskEnd, kind of the pause at STWBegin and STWEnd; they may stem from an earlier generation. */
  name = ''
  /** At UserTaskBegin and UserTaskEnd, -1 = none or unknown. */
  parentTask = -1
  /** For Sync. */
  clock: ClockSnapshot | undefined = undefined
}
