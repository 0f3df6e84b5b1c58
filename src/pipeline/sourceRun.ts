import { Analysis, type AnalysisOptions, type SavedAnalysis } from '../analysis/analysis.js'
import type { Thresholds } from '../measures/measure.js'
import type { StoredRow } from '../store/store.js'
import type { Envelope, Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import { type Checkpoint, checkpointVersion, runKey, serializeCheckpoint } from './checkpoint.js'
import { type Piece, type ResumePoint, TrackIntake } from './intake.js'

/** A checkpoint that was taken and is not yet safe in its topic. */
export interface TakenCheckpoint {
  readonly run: SourceRun
  readonly serialized: Buffer
  readonly resume: Readonly<Record<Track, ResumePoint | undefined>>
  readonly finished: boolean
}

/** One run of one source: its analysis, and where its two tracks stand in their topics. */
export class SourceRun {
  readonly key: string
  readonly lastSeenMs: Record<Track, number>
  readonly intakes: Readonly<Record<Track, TrackIntake>>
  /** Rows of everything up to the end are acknowledged, and so is the checkpoint saying so. */
  finished = false
  private readonly analysis: Analysis
  private readonly ended: Record<Track, boolean>
  private readonly endedAt: Record<Track, number | undefined>
  private durable: Readonly<Record<Track, ResumePoint | undefined>>
  private lastCheckpointMs: number

  constructor(
    readonly source: string,
    readonly stream: string,
    private readonly options: AnalysisOptions,
    nowMs: number,
    from?: Checkpoint,
  ) {
    this.key = runKey(source, stream)
    this.analysis = new Analysis(options, from?.saved)
    this.durable = from?.resume ?? { gotrace: undefined, perf: undefined }
    this.ended = { gotrace: !options.tracks.gotrace, perf: !options.tracks.perf }
    this.intakes = {
      gotrace: new TrackIntake('gotrace', from?.resume.gotrace),
      perf: new TrackIntake('perf', from?.resume.perf),
    }
    this.lastSeenMs = { gotrace: nowMs, perf: nowMs }
    this.lastCheckpointMs = nowMs
    this.endedAt = { gotrace: undefined, perf: undefined, ...from?.endedAt }
    for (const track of tracks) this.endWhereItEnded(track)
  }

  static fromEnvelope(envelope: Envelope, thresholds: Partial<Thresholds> | undefined, nowMs: number): SourceRun {
    const { clockMonotonicNs, clockWallNs, perfClock } = envelope
    const shipped = envelope.tracks.split(',')
    const options: AnalysisOptions = {
      source: envelope.source,
      service: envelope.service,
      host: envelope.host,
      tracks: { gotrace: shipped.includes('gotrace'), perf: shipped.includes('perf') },
      clock:
        clockMonotonicNs === undefined || clockWallNs === undefined
          ? undefined
          : { monotonicNs: clockMonotonicNs, wallNs: clockWallNs },
      perfClock,
      thresholds,
    }
    return new SourceRun(envelope.source, envelope.stream, options, nowMs)
  }

  accept(track: Track, piece: Piece, shippedAtMs: number | undefined, nowMs: number): void {
    const intake = this.intakes[track]
    this.lastSeenMs[track] = nowMs
    if (this.ended[track]) {
      // The end had been declared, by silence or by a newer run: what comes now cannot be used any more.
      if (piece.position + piece.bytes.length > intake.position) intake.counts.late++
      return
    }
    for (const bytes of intake.accept(piece)) this.analysis.feed(track, bytes, shippedAtMs)
    if (piece.end && piece.position <= intake.position) this.end(track)
    else this.endWhereItEnded(track)
  }

  /** Nothing more is wanted of this track. */
  end(track: Track): void {
    if (this.ended[track]) return
    for (const bytes of this.intakes[track].release()) this.analysis.feed(track, bytes)
    this.endedAt[track] = this.intakes[track].position
    this.ended[track] = true
    this.analysis.end(track)
  }

  /** After a restart a track ends where it had ended before, and not before its bytes have been read again. */
  private endWhereItEnded(track: Track): void {
    const position = this.endedAt[track]
    if (position !== undefined && this.intakes[track].position >= position) this.end(track)
  }

  isEnded(track: Track): boolean {
    return this.ended[track]
  }

  get starving(): Track | undefined {
    return this.analysis.starving
  }

  get done(): boolean {
    return this.analysis.done
  }

  get pendingBytes(): Readonly<Record<Track, number>> {
    return this.analysis.pendingBytes
  }

  /** Processes what there is. Takes a checkpoint when one is due and the analysis stands where one can be taken. */
  pump(nowMs: number, checkpointEveryMs: number): { rows: StoredRow[]; checkpoint: TakenCheckpoint | undefined } {
    let checkpoint: TakenCheckpoint | undefined
    const due = nowMs - this.lastCheckpointMs >= checkpointEveryMs
    const take = (saved: SavedAnalysis) => (checkpoint ??= this.take(saved, nowMs))
    this.analysis.pump(due ? take : undefined)
    if (this.analysis.done && !this.finished) checkpoint = this.take(undefined, nowMs)
    this.analysis.takeFindings()
    return { rows: this.analysis.takeRows(), checkpoint }
  }

  /** The checkpoint is safe: what lies before it is not needed any more. */
  committed({ resume, finished }: TakenCheckpoint): void {
    this.durable = resume
    this.finished = finished
    for (const track of tracks) {
      const point = resume[track]
      if (point !== undefined) this.intakes[track].forgetBefore(point.fedPosition)
    }
  }

  /** The first message this run may still need after a restart; undefined when it needs none that has been seen. */
  neededFrom(track: Track): bigint | undefined {
    if (this.finished) return undefined
    return this.durable[track]?.offset ?? this.intakes[track].firstOffset
  }

  /** What was wrong with the order of the messages since the last call; undefined when nothing was. */
  takeCounts(): Record<string, number> | undefined {
    const counts: Record<string, number> = {}
    for (const track of tracks)
      for (const [name, value] of Object.entries(this.intakes[track].takeCounts()))
        if (value > 0) counts[`${track}_${name}`] = value
    return Object.keys(counts).length === 0 ? undefined : counts
  }

  private take(saved: SavedAnalysis | undefined, nowMs: number): TakenCheckpoint {
    this.lastCheckpointMs = nowMs
    const resume = {
      gotrace: this.intakes.gotrace.resumePoint(saved?.position.gotrace ?? Infinity),
      perf: this.intakes.perf.resumePoint(saved?.position.perf ?? Infinity),
    }
    const checkpoint: Checkpoint = {
      version: checkpointVersion,
      source: this.source,
      stream: this.stream,
      options: this.options,
      resume,
      endedAt: { ...this.endedAt },
      saved,
      takenAtMs: nowMs,
    }
    return { run: this, serialized: serializeCheckpoint(checkpoint), resume, finished: saved === undefined }
  }
}
