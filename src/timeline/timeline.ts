import { GoState, type GoEvent, type GoTraceReader } from '../gotrace/index.js'
import { PerfKind, type PerfRecord, type PerfScriptReader } from '../perf/index.js'
import { GoTrack } from './goTrack.js'
import { Hearers } from './hearers.js'
import type { TimelineListener } from './model.js'
import { PerfTrack } from './perfTrack.js'
import { oldestWaitNs, settleWait } from './runnable.js'
import { beginService, type ListedThread } from './service.js'
import { TimelineCore } from './core.js'
import { newTimelineState, type TimelineState } from './state.js'
import { StopTheWorldTracker } from './stopTheWorld.js'

/**
 * The joined model: which goroutine is on which thread, in which state on both sides. Fed with the events of both tracks in
 * time order, it tells its listeners every piece of every goroutine's life, with its class, and the moments that matter.
 */
export class Timeline {
  readonly state: TimelineState
  private readonly core: TimelineCore
  private readonly stops: StopTheWorldTracker
  private readonly go: GoTrack
  private readonly perf: PerfTrack
  private readonly hearers: Hearers

  constructor(listeners: readonly TimelineListener[], state: TimelineState = newTimelineState()) {
    this.state = state
    this.core = new TimelineCore(state, listeners)
    this.stops = new StopTheWorldTracker(this.core)
    this.go = new GoTrack(this.core, this.stops)
    this.perf = new PerfTrack(this.core, this.stops)
    this.hearers = new Hearers(listeners)
  }

  /** The order that the trace's state machine finds may step back by some ns: then the event is applied now. */
  goEvent(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    this.advance(atNs)
    for (const { self, tell } of this.hearers.ofGo(event.type)) {
      tell.call(self, event, reader, this.state.nowNs, this.core)
    }
    this.go.apply(event, reader, this.state.nowNs)
  }

  /** @returns true when the record was older than what had been processed; it is applied now. */
  perfRecord(record: PerfRecord, reader: PerfScriptReader, atNs: number): boolean {
    const late = this.advance(atNs)
    if (record.kind === PerfKind.Sample && !record.isSampled) {
      const hearers = this.hearers.ofPerf(record.eventId, reader)
      if (hearers.length > 0) this.perf.witness(record, reader, this.state.nowNs)
      if (hearers.length > 0 && this.perf.isOfService(record))
        for (const { self, tell } of hearers) tell.call(self, record, reader, this.state.nowNs, this.core)
    }
    this.perf.apply(record, reader, this.state.nowNs)
    return late
  }

  /** The Go trace has ended: every goroutine's life is told up to its last event. */
  endGo(): void {
    this.go.finish()
  }

  /**
   * Says which Go event comes next, as soon as it is known: between two traces there is a gap in which nothing is known of any
   * goroutine, whatever perf goes on to say.
   */
  announceGo(reader: GoTraceReader): void {
    this.go.announce(reader)
  }

  /**
   * Says which record of perf comes next, as soon as it is known: when it tells of a loss, what Go says until then meets a kernel half that
   * is not known any more.
   */
  announcePerf(record: PerfRecord): void {
    if (record.kind === PerfKind.Lost || record.kind === PerfKind.LostSamples) this.perf.lose(record, this.state.nowNs)
  }

  /** Records of perf are missing before the one that comes next: which, and of which CPU, nobody knows. */
  missPerf(): void {
    this.perf.miss(this.state.nowNs)
  }

  /** Before the first event: threads that perf lists as existing when it begins, and those that Go is going to speak of, by perf's names. */
  begin(listed: readonly ListedThread[], goTids: Iterable<number>): void {
    for (const { tid } of listed) this.state.listed.tids.add(tid)
    beginService(this.state.service, listed, goTids)
  }

  /** perf has ended, or fell silent: what follows is unknown on its side. */
  endPerf(): void {
    if (!Number.isNaN(this.state.lastPerfNs)) this.perf.forget(this.state.nowNs)
  }

  /**
   * Tells every life, and every thread's time, up to `atNs`, so that what lies before it is complete. Two things still add to the past: a wait for a P, which
   * is told when it is over, and a goroutine that is learnt of later, in the first generation of a trace. `completeBeforeNs` says up to where nothing more can
   * come, once the same has been settled again.
   */
  settle(atNs: number): void {
    for (const goroutine of this.state.goroutines.values()) {
      if (goroutine.state === GoState.Runnable) settleWait(this.core, goroutine, atNs)
      else this.core.cut(goroutine, atNs)
    }
    for (const thread of this.state.threads.values()) {
      if (atNs > thread.kernelSinceNs) this.core.account(thread, atNs)
    }
  }

  /** Infinity: all that has been settled is complete. */
  get completeBeforeNs(): number {
    return this.core.inFirstGeneration ? this.state.traceStartNs : oldestWaitNs(this.state)
  }

  private advance(atNs: number): boolean {
    if (atNs < this.state.nowNs) return true
    this.state.nowNs = atNs
    return false
  }
}
