import type { GoTraceReader } from '../gotrace/index.js'
import type { InputListener, Track } from '../measures/measure.js'
import { PerfKind, type PerfScriptReader } from '../perf/index.js'
import type { Gaps } from './gaps.js'
import { PendingProblems } from './pendingProblems.js'
import type { Progress } from './progress.js'
import type { Shipments } from './shipments.js'
import type { RowSink } from './sink.js'

/** The wall clock may be slewed by 0.05 %, and both clocks are not read at once: what differs more was set. */
const clockStepNs = 10_000_000n

/** What was read of a track in the current second and has not been told; `atNs`: a moment of it. */
interface Untold {
  readonly track: Track
  atNs: number
  events: number
  bytes: number
  late: number
}

export interface InputTellerOptions {
  readonly go: GoTraceReader
  readonly perf: PerfScriptReader
  readonly progress: Progress
  readonly sink: RowSink
  /** Met and not told of yet. */
  readonly problems: Readonly<Record<Track, number>> | undefined
  readonly told: readonly InputListener[]
  /** Each event is told by itself, as its moment decides whether it counts. */
  readonly gated: boolean
}

/** Tells measures and detectors what the input itself says: how much there was, what could not be read or was lost on its way, and when it was shipped. */
export class InputTeller {
  private readonly counting: readonly Pick<Required<InputListener>, 'input'>[]
  private readonly problems: Readonly<Record<Track, PendingProblems>>
  // Two fields, as one of them is looked up for every event.
  private readonly untoldGo = nothing('gotrace')
  private readonly untoldPerf = nothing('perf')

  constructor(private readonly options: InputTellerOptions) {
    const { go, perf, problems, told } = options
    this.counting = told.filter(wantsInput)
    this.problems = {
      gotrace: new PendingProblems(go, problems?.gotrace),
      perf: new PendingProblems(perf, problems?.perf),
    }
  }

  goEvent(atNs: number): void {
    const { progress } = this.options
    progress.goEvents++
    if (atNs < progress.firstGoNs) progress.firstGoNs = atNs
    if (atNs > progress.lastGoNs) progress.lastGoNs = atNs
    this.count(this.untoldGo, atNs, 0, 0)
  }

  perfRecord(atNs: number, late: boolean, shippedAtMs: number | undefined): void {
    const { progress, perf, told } = this.options
    const { record, header } = perf
    this.tellProblems('perf', atNs)
    progress.perfRecords++
    this.count(this.untoldPerf, atNs, record.bytes, late ? 1 : 0)
    const { detail } = header
    if (detail !== 'full') for (const listener of told) listener.thinned?.(atNs, detail)
    if (record.kind === PerfKind.Lost || record.kind === PerfKind.LostSamples) {
      progress.perfLost += record.lost
      for (const listener of told) listener.lost?.(atNs, record.lost)
    }
    this.shipped('perf', atNs, shippedAtMs)
  }

  /** Bytes of a track were lost on their way, before what happened at `atNs`. */
  gap(track: Track, atNs: number, lostBytes: number): void {
    if (lostBytes === 0 || atNs === -Infinity) return
    for (const listener of this.options.told) listener.gap?.(track, atNs, lostBytes)
  }

  /** A generation is counted, in bytes and in lag, in the second of its last event. */
  enterGeneration(atNs: number, shipments: Shipments, gaps: Gaps): void {
    const { progress, go } = this.options
    progress.gen = go.event.gen
    this.countGoBytes()
    this.gap('gotrace', atNs, gaps.takeUpTo(progress.goBytes))
    this.noteWallClock(atNs)
    if (progress.goBytes > 0) this.shipped('gotrace', this.lastOpenGoNs, shipments.at(progress.goBytes - 1))
  }

  /** Tells what has been counted: before its second may be written, and before the state is saved. */
  tell(): void {
    for (const untold of [this.untoldGo, this.untoldPerf]) {
      const { track, atNs, events, bytes, late } = untold
      if (events === 0) continue
      for (const listener of this.counting) listener.input(track, atNs, events, bytes, late)
      untold.events = untold.bytes = untold.late = 0
    }
  }

  finish(gaps: Readonly<Record<Track, Gaps>>): void {
    this.tell()
    this.countGoBytes()
    const { lastNs } = this.options.progress
    for (const track of ['gotrace', 'perf'] as const) {
      this.tellProblems(track, lastNs)
      this.gap(track, lastNs, gaps[track].takeUpTo(Infinity))
    }
  }

  problemsBefore(position: Readonly<Record<Track, number>>): Record<Track, number> {
    return {
      gotrace: this.problems.gotrace.before(position.gotrace),
      perf: this.problems.perf.before(position.perf),
    }
  }

  private count(untold: Untold, atNs: number, bytes: number, late: number): void {
    const { gated, progress } = this.options
    // A late one belongs to a second before.
    if (gated || !(atNs < progress.boundaryNs && atNs >= this.secondStartNs)) {
      for (const listener of this.counting) listener.input(untold.track, atNs, 1, bytes, late)
      return
    }
    untold.atNs = atNs
    untold.events++
    untold.bytes += bytes
    untold.late += late
  }

  /** Rows keep the wall time of the start: what was set in between is counted, and nothing moves. */
  private noteWallClock(atNs: number): void {
    const { progress, go, told } = this.options
    const { clock } = go.event
    if (clock === undefined) return
    const originNs = clock.wallNs - clock.monotonicNs
    const stepNs = originNs - (progress.wallOriginNs ?? originNs)
    progress.wallOriginNs = originNs
    if (stepNs > -clockStepNs && stepNs < clockStepNs) return
    for (const listener of told) listener.clockStep?.(atNs)
  }

  private countGoBytes(): void {
    const { progress, go } = this.options
    const bytes = go.consumedBytes - progress.goBytes
    progress.goBytes = go.consumedBytes
    if (progress.lastGoNs === -Infinity) return
    for (const listener of this.counting) listener.input('gotrace', this.lastOpenGoNs, 0, bytes, 0)
  }

  /** The last Go event, or the start of the current second when the second of that event may have been written already. */
  private get lastOpenGoNs(): number {
    const { lastGoNs } = this.options.progress
    return lastGoNs === -Infinity ? lastGoNs : Math.max(lastGoNs, this.secondStartNs)
  }

  private get secondStartNs(): number {
    return this.options.progress.boundaryNs - 1e9
  }

  private tellProblems(track: Track, atNs: number): void {
    const count = this.problems[track].take()
    // Without any event there is no second to count them in.
    if (count === 0 || atNs === -Infinity) return
    for (const listener of this.options.told) listener.unreadable?.(track, atNs, count)
  }

  private shipped(track: Track, atNs: number, shippedAtMs: number | undefined): void {
    // Before the first event there is no second to count it in.
    if (shippedAtMs === undefined || atNs === -Infinity) return
    const lagMs = Math.max(0, Math.round(shippedAtMs - this.options.sink.wallMs(atNs)))
    for (const listener of this.options.told) listener.shipped?.(track, atNs, lagMs)
  }
}

function nothing(track: Track): Untold {
  return { track, atNs: NaN, events: 0, bytes: 0, late: 0 }
}

function wantsInput(listener: InputListener): listener is InputListener & Pick<Required<InputListener>, 'input'> {
  return listener.input !== undefined
}
