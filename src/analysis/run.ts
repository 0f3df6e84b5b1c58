import { type ClockDecision, noCommonThread, noCommonTime, unaligned } from '../clock/ladder.js'
import { ClockMap } from '../clock/map.js'
import type { Wall, WallSource } from '../clock/wall.js'
import { detectors } from '../findings/index.js'
import type { GoTraceReader } from '../gotrace/index.js'
import { measures } from '../measures/index.js'
import type { Measure, Reducer, Track } from '../measures/measure.js'
import { defaultThresholds, type Thresholds } from '../measures/thresholds.js'
import type { PerfScriptReader } from '../perf/index.js'
import type { TimelineListener } from '../timeline/model.js'
import type { TimelineState } from '../timeline/state.js'
import { Timeline } from '../timeline/timeline.js'
import { FitCheck, type FitState } from './fit.js'
import { renameThreads } from './threads.js'
import { gatedListener, gatedReducer } from './gated.js'
import { always, type Gate, type Interval, type SelectableAxis } from './selection.js'
import type { Gaps } from './gaps.js'
import { InputTeller } from './inputTeller.js'
import { newProgress, type Progress } from './progress.js'
import type { Shipments } from './shipments.js'
import { RowSink, type SinkState, type SourceNames } from './sink.js'

/** The common axis: CLOCK_MONOTONIC minus a whole-second base. Adding the shift to a reader's time gets there. */
export interface Axis {
  readonly goShiftNs: number
  readonly perfShiftNs: number
  readonly wallSource: WallSource
}

/** What is not complete at the end of a second is looked at again after so long, then at twice the time since. */
const firstLookNs = 10e6

export interface RunState {
  readonly timeline: TimelineState | undefined
  readonly sink: SinkState
  readonly axis: Axis
  readonly progress: Progress
  readonly reducers: Readonly<Record<string, unknown>>
  readonly fit: FitState | undefined
  /** Met and not told of yet; undefined at the start: what could not be read before the first event counts too. */
  readonly problems: Readonly<Record<Track, number>> | undefined
}

export interface RunOptions extends SourceNames {
  readonly thresholds?: Partial<Thresholds> | undefined
  /** What is told to measures and detectors; everything by default. Not for analyses that are checkpointed. */
  readonly gate?: Gate | undefined
  /** Names of the tables whose rows are wanted; all by default. */
  readonly tables?: ReadonlySet<string> | undefined
  /** Are told what the measures are told. */
  readonly listeners?: readonly TimelineListener[] | undefined
  /** Are told everything. */
  readonly observers?: readonly TimelineListener[] | undefined
}

/** An analysis under way: from the first event on, when the axis is known. */
export class Run {
  readonly sink: RowSink
  readonly timeline: Timeline
  readonly axis: Axis
  readonly progress: Progress
  readonly fit: FitCheck
  private readonly reducers: readonly (readonly [name: string, reducer: Reducer])[]
  private readonly input: InputTeller
  /** perf's records are applied to the timeline. */
  private perfOnAxis: boolean
  private readonly clockMap: ClockMap | undefined
  /** Thread of the Go trace → thread of perf, as far as it is known beforehand; undefined when perf's text is to be asked. */
  private readonly knownThreads: ReadonlyMap<number, number> | undefined
  private readonly asksForThreads: boolean

  constructor(
    options: RunOptions,
    private readonly go: GoTraceReader,
    private readonly perf: PerfScriptReader,
    saved: RunState,
  ) {
    const thresholds = { ...defaultThresholds, ...options.thresholds }
    const { source, service, host } = options
    this.sink = new RowSink({ source, service, host }, saved.sink, saved.axis.wallSource, options.tables)
    this.axis = saved.axis
    this.progress = saved.progress
    const { gate } = options
    if (gate !== undefined) gate.axis = () => this.selectable
    this.sink.span = () => this.toldSpan(gate)
    // They are made first: a measure is made when somebody wants its rows. They are told last: of what a measure wrote.
    const found = detectors.map((d) => {
      const reducer = d.create(this.sink.raise, thresholds, this.sink, saved.reducers[d.name])
      for (const table of d.hears ?? []) this.sink.onRow(table, (atNs, values) => reducer.row?.(table, atNs, values))
      return [d.name, reducer] as const
    })
    const reducers = [
      ...measures
        .filter((measure) => isWanted(measure, this.sink))
        .map((m) => [m.name, m.create(this.sink, thresholds, saved.reducers[m.name])] as const),
      ...found,
    ]
    this.reducers = reducers.map(([name, reducer]) => [name, gate ? gatedReducer(reducer, gate) : reducer])
    const listeners = (options.listeners ?? []).map((each) => (gate ? gatedListener(each, gate) : each))
    this.fit = new FitCheck(saved.fit)
    this.timeline = new Timeline(
      [...this.reducers.map(([, reducer]) => reducer), this.fit, ...listeners, ...(options.observers ?? [])],
      saved.timeline,
    )
    const { fit, threads, joined, method } = saved.sink.clock
    this.clockMap = fit && new ClockMap(fit.pieces)
    this.knownThreads = joined ? threads : undefined
    this.asksForThreads = joined && threads === undefined
    this.perfOnAxis = (joined && this.progress.refusedFor === undefined) || method === 'no_gotrace'
    const told = this.reducers.map(([, reducer]) => reducer)
    this.input = new InputTeller({
      go,
      perf,
      progress: this.progress,
      sink: this.sink,
      problems: saved.problems,
      told,
      gated: gate !== undefined,
    })
  }

  static start(
    options: RunOptions,
    go: GoTraceReader,
    perf: PerfScriptReader,
    clock: ClockDecision,
    wall: Wall,
    baseNs: bigint,
  ): Run {
    return new Run(options, go, perf, {
      timeline: undefined,
      sink: { baseWallNs: wall.originNs + baseNs, shownStacks: new Set(), clock },
      axis: {
        goShiftNs: Number((go.baseNs ?? baseNs) - baseNs),
        perfShiftNs: perfShiftNs(perf, clock, wall, baseNs),
        wallSource: wall.source,
      },
      progress: newProgress(),
      reducers: {},
      fit: undefined,
      problems: undefined,
    })
  }

  goEvent(atNs: number, shipments: Shipments, gaps: Gaps): void {
    const { progress } = this
    if (this.go.event.gen !== progress.gen) this.input.enterGeneration(atNs, shipments, gaps)
    this.advance(atNs)
    const threads = this.asksForThreads ? this.perf.header.threads : this.knownThreads
    if (threads === undefined) this.timeline.goEvent(this.go.event, this.go, atNs)
    else renameThreads(this.go.event, threads, (event) => this.timeline.goEvent(event, this.go, atNs))
    this.input.goEvent(atNs)
  }

  perfRecord(atNs: number, shippedAtMs: number | undefined): void {
    const { progress } = this
    const { record } = this.perf
    let late = false
    progress.firstPerfNs = Math.min(progress.firstPerfNs, atNs)
    progress.lastPerfNs = Math.max(progress.lastPerfNs, atNs)
    if (this.perfOnAxis) this.advance(atNs)
    // The second that has just ended may have been its last one on the axis.
    if (this.perfOnAxis) late = this.timeline.perfRecord(record, this.perf, atNs)
    this.input.perfRecord(atNs, late, shippedAtMs)
  }

  /** The perf reader has moved to its next record, which will be applied when its time has come; `afterGap`: others before it never came. */
  announcePerf(afterGap: boolean): void {
    if (!this.perfOnAxis) return
    if (afterGap) this.timeline.missPerf()
    this.timeline.announcePerf(this.perf.record)
  }

  /** Bytes of a track were lost on their way, before what happened at `atNs`. */
  gap(track: Track, atNs: number, lostBytes: number): void {
    this.input.gap(track, atNs, lostBytes)
  }

  endPerf(): void {
    this.progress.perfEnded = true
    if (this.perfOnAxis) this.timeline.endPerf()
  }

  endGo(): void {
    this.progress.goEnded = true
    this.timeline.endGo()
  }

  finish(gaps: Readonly<Record<Track, Gaps>>): void {
    this.endGo()
    this.endPerf()
    this.input.finish(gaps)
    this.checkClocks()
    this.flush(Infinity)
  }

  /** Live state: valid until the next event. `position`: where both tracks will be read on from. */
  save(position: Readonly<Record<Track, number>>): RunState {
    this.input.tell()
    return {
      timeline: this.timeline.state,
      sink: this.sink.state,
      axis: this.axis,
      progress: this.progress,
      fit: this.fit.state,
      problems: this.input.problemsBefore(position),
      reducers: Object.fromEntries(this.reducers.map(([name, reducer]) => [name, reducer.state])),
    }
  }

  private get selectable(): SelectableAxis {
    return { firstNs: this.progress.firstNs, atWall: (wallNs) => Number(wallNs - this.sink.state.baseWallNs) }
  }

  private toldSpan(gate: Gate | undefined): Interval {
    const { firstNs, lastNs } = this.progress
    const first = gate?.selection.intervals[0] ?? always
    const last = gate?.selection.intervals.at(-1) ?? always
    return { fromNs: Math.max(firstNs, first.fromNs), toNs: Math.min(lastNs, last.toNs) }
  }

  get clock(): ClockDecision {
    const { clock } = this.sink.state
    const { refusedFor, perfLost } = this.progress
    if (!clock.joined) return clock
    if (this.timeline.state.commonThreads === 0) return noCommonThread
    const contradiction = refusedFor ?? this.fit.contradiction(perfLost)
    if (contradiction !== undefined) return unaligned(clock, contradiction)
    const { apartNs } = this
    return apartNs > 0 ? noCommonTime(apartNs) : clock
  }

  /** Between the end of one track and the beginning of the other; negative when they have time in common or one has not begun. */
  private get apartNs(): number {
    const { firstGoNs, lastGoNs, firstPerfNs, lastPerfNs, goEnded, perfEnded } = this.progress
    // Who goes on may still have time in common with the other.
    if (goEnded && lastGoNs < firstPerfNs && firstPerfNs < Infinity) return firstPerfNs - lastGoNs
    if (perfEnded && lastPerfNs < firstGoNs && firstPerfNs < Infinity && firstGoNs < Infinity)
      return firstGoNs - lastPerfNs
    return -1
  }

  /** The axis' time of a time of the perf reader. */
  perfNs(timeNs: number): number {
    const { clockMap, axis } = this
    return clockMap === undefined ? timeNs + axis.perfShiftNs : clockMap.goNs(timeNs) + axis.goShiftNs
  }

  /** Time passes a wall-clock second: what lies before is told and, when nothing can be added to it any more, written. */
  private advance(atNs: number): void {
    const { progress, sink } = this
    if (atNs < progress.firstNs) progress.firstNs = atNs
    if (atNs > progress.lastNs) progress.lastNs = atNs
    if (atNs < progress.lookNs) return
    const secondEnded = atNs >= progress.boundaryNs
    if (secondEnded) {
      this.input.tell()
      progress.settledNs = progress.boundaryNs
      progress.boundaryNs = sink.startOf(sink.secondOf(atNs) + 1)
    }
    const { settledNs, boundaryNs } = progress
    if (settledNs !== -Infinity) {
      this.timeline.settle(settledNs)
      if (secondEnded) this.checkClocks()
    }
    const completeNs = Math.min(settledNs, this.timeline.completeBeforeNs, this.perfCompleteNs)
    this.flush(completeNs)
    // Mostly it is a goroutine that waits for a P, and not for long.
    const againNs = atNs + Math.max(firstLookNs, atNs - settledNs)
    progress.lookNs = completeNs < settledNs && againNs < boundaryNs ? againNs : boundaryNs
  }

  private checkClocks(): void {
    const { perfLost } = this.progress
    if (this.sink.state.clock.joined && this.perfOnAxis && this.fit.refuses(perfLost)) this.refuse()
  }

  /** A perf track on a clock of its own may lag behind the axis. */
  private get perfCompleteNs(): number {
    return this.perfOnAxis || this.progress.perfEnded ? Infinity : this.progress.lastPerfNs
  }

  private flush(beforeNs: number): void {
    this.sink.clock = this.clock
    for (const [, reducer] of this.reducers) reducer.flush?.(beforeNs)
  }

  /** What follows is told of each track alone. */
  private refuse(): void {
    this.progress.refusedFor = this.fit.contradiction(this.progress.perfLost)
    this.timeline.endPerf()
    this.perfOnAxis = false
  }
}

/**
 * On the common clock the two bases differ by whole seconds. On a clock of its own, perf is put where its reference time says it was
 * in wall time: good enough to report it by itself.
 */
function perfShiftNs(perf: PerfScriptReader, clock: ClockDecision, wall: Wall, baseNs: bigint): number {
  const perfBaseNs = perf.baseNs ?? baseNs
  const { reference } = perf.header
  if (clock.joined || reference === undefined) return Number(perfBaseNs - baseNs)
  const originNs = reference.wallNs - reference.clockNs
  return Number(perfBaseNs + originNs - wall.originNs - baseNs)
}

/** A measure whose rows nobody wants is not made: on a busy service measures take longer than reading does. */
function isWanted({ tables, cutsLives }: Measure, sink: RowSink): boolean {
  return cutsLives === true || tables.some((table) => sink.wants(table))
}
