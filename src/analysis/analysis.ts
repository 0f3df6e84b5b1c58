import { type ClockDecision, decideClock, isMonotonic } from '../clock/ladder.js'
import { offsetAt } from '../clock/map.js'
import { chooseWall, type Wall, type WallPair } from '../clock/wall.js'
import type { Finding } from '../findings/finding.js'
import { Ev, type GoReaderState, GoTraceReader } from '../gotrace/index.js'
import type { OutRow, Track } from '../measures/measure.js'
import type { Thresholds } from '../measures/thresholds.js'
import { PerfKind, PerfScriptReader, type PerfReaderState } from '../perf/index.js'
import { Gaps } from './gaps.js'
import type { TimelineListener } from '../timeline/model.js'
import type { ListedThread } from '../timeline/service.js'
import { Run, type RunState } from './run.js'
import type { Gate } from './selection.js'
import { Shipments } from './shipments.js'
import type { SourceNames } from './sink.js'
import { type AnalysisSummary, summarize } from './summary.js'

export interface AnalysisOptions extends SourceNames {
  /** One moment on both clocks, ns as decimal strings; used when neither track carries wall time. */
  readonly clock?: { readonly monotonicNs: string; readonly wallNs: string } | undefined
  /** What is known of perf's clock besides its own header. */
  readonly perfClock?: 'CLOCK_MONOTONIC' | 'unknown' | undefined
  /** Thread of the Go trace → thread of perf, of a process in a pid namespace of its own; perf's text may name more. */
  readonly threads?: ReadonlyMap<number, number> | undefined
  /** How the tracks are joined, found out beforehand from all of both; else it is decided by what they say of their clocks. */
  readonly clockDecision?: ClockDecision | undefined
  /** Where wall time comes from, when what tells it at the begin of the run is not read. */
  readonly wall?: Wall | undefined
  /** Which tracks there are. A track that is announced holds the other one back until it is fed or ended. */
  readonly tracks: Readonly<Record<Track, boolean>>
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

/** Where to resume, and with what. Plain data; made only between two generations of the Go trace. */
export interface SavedAnalysis {
  /** Byte position in each track's stream from which it must be fed again. */
  readonly position: Readonly<Record<Track, number>>
  readonly state: AnalysisState
}

interface AnalysisState extends RunState {
  readonly go: GoReaderState
  readonly perf: PerfReaderState
  /** When the last byte of the Go trace before `position` was shipped, ms since the epoch: its generation is told when the next one begins. */
  readonly shippedAtMs: number | undefined
}

/**
 * The whole core behind two byte streams: bytes of both tracks in, rows and findings out. Rows depend only on the bytes of
 * the two streams, not on how they are cut or interleaved.
 */
export class Analysis {
  private readonly go: GoTraceReader
  private readonly perf: PerfScriptReader
  private readonly ended: Record<Track, boolean>
  private goReady = false
  private perfReady = false
  private perfClosed = false
  private goClosed = false
  private readonly shipments = { gotrace: new Shipments(), perf: new Shipments() }
  private readonly gaps = { gotrace: new Gaps(), perf: new Gaps() }
  private fedBytes: Record<Track, number> = { gotrace: 0, perf: 0 }
  private run: Run | undefined
  private startWall: Wall | undefined
  private finished = false
  /** Threads that perf listed before its first record. */
  private listedThreads: ListedThread[] = []
  /** Position in the Go trace of the last checkpoint. */
  private checkpointBytes = 0

  constructor(
    private readonly options: AnalysisOptions,
    saved?: SavedAnalysis,
  ) {
    this.ended = { gotrace: !options.tracks.gotrace, perf: !options.tracks.perf }
    if (saved === undefined) {
      this.go = new GoTraceReader()
      this.perf = new PerfScriptReader()
      return
    }
    this.go = GoTraceReader.restore(saved.state.go)
    this.perf = PerfScriptReader.restore({ ...saved.state.perf, consumedBytes: saved.position.perf })
    this.fedBytes = { ...saved.position }
    const { shippedAtMs } = saved.state
    if (shippedAtMs !== undefined) this.shipments.gotrace.add(saved.position.gotrace, shippedAtMs)
    this.run = new Run(options, this.go, this.perf, saved.state)
    this.perfClosed = saved.state.progress.perfEnded
    this.goClosed = saved.state.progress.goEnded
  }

  /** Consecutive bytes of a track; after a restore, from `saved.position` on. `shippedAtMs`: wall time at which they left the host. */
  feed(track: Track, bytes: Uint8Array, shippedAtMs?: number): void {
    this.fedBytes[track] += bytes.length
    if (shippedAtMs !== undefined) this.shipments[track].add(this.fedBytes[track], shippedAtMs)
    if (track === 'gotrace') this.go.push(bytes)
    else this.perf.push(bytes)
  }

  /** So many bytes are missing in the track before those that are fed next: they were lost on their way. */
  gap(track: Track, sizeBytes: number): void {
    this.gaps[track].add(this.fedBytes[track], sizeBytes)
  }

  /** This track has no more. */
  end(track: Track): void {
    if (this.ended[track]) return
    this.ended[track] = true
    if (track === 'gotrace') this.go.end()
    else this.perf.end()
  }

  /** The track that must be fed or ended before anything more can happen; undefined when all is done. */
  get starving(): Track | undefined {
    if (!this.goReady && !this.ended.gotrace) return 'gotrace'
    if (!this.perfReady && !this.ended.perf) return 'perf'
    return undefined
  }

  get done(): boolean {
    return this.finished
  }

  /** Bytes fed and not yet processed. */
  get pendingBytes(): Readonly<Record<Track, number>> {
    return {
      gotrace: this.fedBytes.gotrace - this.go.consumedBytes,
      perf: this.fedBytes.perf - this.perf.consumedBytes,
    }
  }

  /** How far each track has been read, ns on the axis; -Infinity before the first event. */
  get watermarkNs(): Readonly<Record<Track, number>> {
    const axis = this.run?.axis
    return {
      gotrace: axis === undefined ? -Infinity : this.go.event.timeNs + axis.goShiftNs,
      perf: axis === undefined ? -Infinity : this.run!.perfNs(this.perf.record.timeNs),
    }
  }

  /**
   * Processes all that both tracks allow. `onCheckpoint` gets the live state between two generations: it must copy it
   * before it returns.
   */
  pump(onCheckpoint?: (saved: SavedAnalysis) => void): void {
    for (;;) {
      if (!this.goReady) {
        const boundary = this.go.atGenerationBoundary
        this.goReady = this.go.next()
        if (this.goReady) this.run?.timeline.announceGo(this.go)
        if (!this.goReady && boundary && onCheckpoint !== undefined && this.run !== undefined) {
          this.checkpoint(onCheckpoint)
          // Without a Go trace every record of perf is such a place: the caller says when it wants one.
          if (this.ended.gotrace) onCheckpoint = undefined
        }
      }
      if (!this.perfReady) {
        this.perfReady = this.nextPerf()
        if (this.perfReady) this.run?.announcePerf(this.gaps.perf.hasUpTo(this.perfEndBytes - 1))
      }
      if (this.starving !== undefined) return
      this.run ??= this.start()
      if (!this.goReady && !this.perfReady) return this.finish()
      this.step(this.run)
    }
  }

  takeRows(): OutRow[] {
    return this.run?.sink.takeRows() ?? []
  }

  takeFindings(): Finding[] {
    return this.run?.sink.takeFindings() ?? []
  }

  /** Decimal ns since the epoch of a moment of the axis, as findings carry them. */
  wallNs(atNs: number): string {
    return this.run?.sink.wallNs(atNs) ?? '0'
  }

  /** Where wall time comes from; undefined before the first event, and after a restore that was not told. */
  get wall(): Wall | undefined {
    return this.options.wall ?? this.startWall
  }

  /** A second trace of Go 1.21 or older has begun: the time of each counts from a moment of its own. */
  get hasSeveralOldTraces(): boolean {
    return this.go.traceIndex > 0 && !this.go.clockIsMonotonic
  }

  /** First and last event on the axis; undefined when there was none. */
  get spanNs(): { readonly fromNs: number; readonly toNs: number } | undefined {
    const progress = this.run?.progress
    if (progress === undefined || progress.lastNs < progress.firstNs) return undefined
    return { fromNs: progress.firstNs, toNs: progress.lastNs }
  }

  get summary(): AnalysisSummary {
    const clock = this.run?.clock ?? decideClock(this.evidence())
    return summarize(clock, this.options.tracks, this.go, this.perf, this.run)
  }

  /** Where perf's record ends in what was fed. */
  private get perfEndBytes(): number {
    const { offsetBytes, bytes } = this.perf.record
    return offsetBytes + bytes
  }

  /** The next record with a time; the others (synthesised at the start, time 0) list the threads that there are. */
  private nextPerf(): boolean {
    while (this.perf.next()) {
      if (!this.perf.record.hasTime) {
        const { kind, childPid, childTid } = this.perf.record
        if (kind === PerfKind.Comm) this.listedThreads.push({ pid: childPid, tid: childTid })
        continue
      }
      return true
    }
    return false
  }

  private evidence() {
    return {
      goVersion: this.go.version,
      goJoinable: this.go.threadsAreTids && this.go.clockIsMonotonic,
      hasPerf: this.perfReady,
      perfClockId: this.perf.header.clockId,
      manifestClock: this.options.perfClock,
    }
  }

  private start(): Run {
    const { go, perf } = this
    const known = this.goReady && this.perfReady ? this.options.clockDecision : undefined
    const decided = known ?? decideClock({ ...this.evidence(), goVersion: this.goReady ? go.version : undefined })
    const { threads } = this.options
    const clock = threads === undefined || !go.threadsAreTids ? decided : { ...decided, threads }
    const baseNs = (this.goReady ? go.baseNs : perf.baseNs) ?? 0n
    const wall = this.options.wall ?? this.chooseWall(baseNs, clock)
    this.startWall = wall
    const run = Run.start(this.options, go, perf, clock, wall, baseNs)
    run.timeline.begin(this.listedThreads, this.goReady ? this.goThreads(clock) : [])
    return run
  }

  /** Threads that Go is going to speak of, as perf names them. */
  private goThreads({ threads = this.perf.header.threads }: ClockDecision): Iterable<number> {
    if (threads !== undefined) return threads.values()
    return this.go.threadsAreTids ? this.go.threads : []
  }

  private chooseWall(baseNs: bigint, clock: ClockDecision): Wall {
    const isOld = this.goReady && !this.go.clockIsMonotonic
    return isOld ? this.wallOfOwnClock(baseNs, clock) : this.wallOfMonotonic(clock)
  }

  private wallOfMonotonic(joint: ClockDecision): Wall {
    const manifest = this.options.clock
    const { clock } = this.go.event
    const snapshot = this.goReady && clock !== undefined ? clock : undefined
    return chooseWall(snapshot, this.perfReference(joint), manifest && parsePair(manifest))
  }

  /** Perf's reading of the wall clock, on the clock of the axis. */
  private perfReference({ fit }: ClockDecision): WallPair | undefined {
    const { reference, clockId } = this.perf.header
    if (reference === undefined) return undefined
    const { wallNs, clockNs } = reference
    if (fit === undefined) return this.goReady && !isMonotonic(clockId) ? undefined : { wallNs, monotonicNs: clockNs }
    const offsetNs = fit.baseOffsetNs + BigInt(Math.round(offsetAt(fit.pieces[0]!, this.perf.record.timeNs)))
    return { wallNs, monotonicNs: clockNs - offsetNs }
  }

  /**
   * An old trace counts from a moment that only perf's clock, once fitted to it, can tell. Without that it began when the recording did, as
   * nearly as we can say.
   */
  private wallOfOwnClock(baseNs: bigint, joint: ClockDecision): Wall {
    const manifest = this.options.clock
    const perf = joint.fit && this.perfReference(joint)
    if (perf !== undefined) return chooseWall(undefined, perf, undefined)
    if (manifest === undefined) return { originNs: 0n, source: 'none' }
    const firstNs = baseNs + BigInt(Math.round(this.go.event.timeNs))
    return { originNs: BigInt(manifest.wallNs) - firstNs, source: 'manifest' }
  }

  private step(run: Run): void {
    if (!this.perfReady && !this.perfClosed) {
      this.perfClosed = true
      run.endPerf()
    }
    if (!this.goReady && !this.goClosed) {
      this.goClosed = true
      run.endGo()
    }
    const goNs = this.goReady ? this.go.event.timeNs + run.axis.goShiftNs : Infinity
    const perfNs = this.perfReady ? run.perfNs(this.perf.record.timeNs) : Infinity
    if (perfNs < goNs) {
      run.gap('perf', perfNs, this.gaps.perf.takeUpTo(this.perfEndBytes - 1))
      run.perfRecord(perfNs, this.shipments.perf.at(this.perf.record.offsetBytes))
      this.perfReady = false
    } else {
      run.goEvent(goNs, this.shipments.gotrace, this.gaps.gotrace)
      this.goReady = false
      this.goOn(run, perfNs)
    }
  }

  /** Between two records of perf there are many events of a generation. */
  private goOn(run: Run, perfNs: number): void {
    const { go } = this
    const { goShiftNs } = run.axis
    while (!go.atGenerationBoundary && go.next()) {
      const goNs = go.event.timeNs + goShiftNs
      if (go.event.type === Ev.Sync || perfNs < goNs) {
        this.goReady = true
        run.timeline.announceGo(go)
        return
      }
      run.goEvent(goNs, this.shipments.gotrace, this.gaps.gotrace)
    }
  }

  private finish(): void {
    if (this.finished) return
    this.finished = true
    this.run?.finish(this.gaps)
  }

  private checkpoint(onCheckpoint: (saved: SavedAnalysis) => void): void {
    const { run, go } = this
    if (run === undefined || !go.atGenerationBoundary) return
    // While the Go trace goes on, one checkpoint a boundary will do; without it there is progress in perf alone.
    if (!this.ended.gotrace && go.consumedBytes === this.checkpointBytes) return
    this.checkpointBytes = go.consumedBytes
    const perf = this.perfReady ? this.perf.record.offsetBytes : this.perf.consumedBytes
    const position = { gotrace: go.consumedBytes, perf }
    const shippedAtMs = this.shipments.gotrace.at(position.gotrace - 1)
    onCheckpoint({ position, state: { go: go.save(), perf: this.perf.save(), shippedAtMs, ...run.save(position) } })
  }
}

function parsePair(pair: { monotonicNs: string; wallNs: string }): WallPair {
  return { monotonicNs: BigInt(pair.monotonicNs), wallNs: BigInt(pair.wallNs) }
}
