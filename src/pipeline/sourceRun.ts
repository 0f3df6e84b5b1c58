import { Analysis, type AnalysisOptions, type SavedAnalysis } from '../analysis/analysis.js'
import type { Thresholds } from '../measures/thresholds.js'
import type { StoredRow } from '../store/store.js'
import type { Envelope, Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import { type Checkpoint, checkpointVersion, type Ending, runKey, serializeCheckpoint } from './checkpoint.js'
import type { Counts } from './counts.js'
import type { Deliveries, Sender } from './deliveries.js'
import { Feeder } from './feeder.js'
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
  readonly sender: Sender
  /** When bytes of a track last came, and when anything did: they, or a sign of life. */
  readonly lastBytesMs: Record<Track, number>
  readonly lastSeenMs: Record<Track, number>
  readonly intakes: Readonly<Record<Track, TrackIntake>>
  /** Rows of everything up to the end are acknowledged, and so is the checkpoint saying so. */
  finished = false
  private readonly analysis: Analysis
  private readonly feeder: Feeder
  private readonly ended: Record<Track, boolean>
  private readonly endedAt: Record<Track, number | undefined>
  /** Offset of the first message of each track. */
  private readonly began: Record<Track, bigint | undefined>
  private unsaid: Record<string, number> = {}
  private durable: Readonly<Record<Track, ResumePoint | undefined>>
  private lastCheckpointMs: number

  constructor(
    readonly source: string,
    readonly stream: string,
    /** How rows name it; undefined: by the stream. */
    private readonly run: string | undefined,
    private readonly options: AnalysisOptions,
    nowMs: number,
    from?: Checkpoint,
    ending?: Ending,
  ) {
    this.key = runKey(source, stream)
    this.sender = { source, service: options.service, host: options.host }
    this.analysis = new Analysis(options, from?.saved)
    this.feeder = new Feeder(this.analysis)
    this.durable = { gotrace: from?.resume.gotrace, perf: from?.resume.perf }
    this.ended = { gotrace: !options.tracks.gotrace, perf: !options.tracks.perf }
    this.intakes = {
      gotrace: new TrackIntake('gotrace', from?.resume.gotrace),
      perf: new TrackIntake('perf', from?.resume.perf),
    }
    this.lastBytesMs = { gotrace: nowMs, perf: nowMs }
    this.lastSeenMs = { gotrace: nowMs, perf: nowMs }
    this.lastCheckpointMs = nowMs
    this.began = { gotrace: from?.began.gotrace, perf: from?.began.perf }
    this.endedAt = {
      gotrace: from?.endedAt.gotrace ?? ending?.endedAt.gotrace,
      perf: from?.endedAt.perf ?? ending?.endedAt.perf,
    }
    for (const track of tracks) this.endWhereItEnded(track)
  }

  static fromEnvelope(
    envelope: Envelope,
    thresholds: Partial<Thresholds> | undefined,
    nowMs: number,
    ending: Ending | undefined,
  ): SourceRun {
    const { source, stream, run, clockMonotonicNs, clockWallNs, perfClock } = envelope
    const shipped = envelope.tracks.split(',')
    const options: AnalysisOptions = {
      source,
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
    return new SourceRun(source, stream, run, options, nowMs, undefined, ending)
  }

  accept(track: Track, piece: Piece, shippedAtMs: number | undefined, nowMs: number): void {
    const intake = this.intakes[track]
    this.lastBytesMs[track] = nowMs
    this.lastSeenMs[track] = nowMs
    this.began[track] ??= piece.offset
    if (this.ended[track]) {
      // The end had been declared, by silence or by a newer run: what comes now cannot be used any more.
      if (piece.position + piece.bytes.length > intake.position) intake.counts.late++
      return
    }
    for (const fed of intake.accept(piece)) this.feeder.add(track, fed, shippedAtMs)
    if (piece.end && piece.position <= intake.position) this.end(track)
    else this.endWhereItEnded(track)
  }

  seeAlive(track: Track, nowMs: number): void {
    this.lastSeenMs[track] = nowMs
  }

  /** Until now nobody could say anything. */
  waitAnew(nowMs: number): void {
    for (const track of tracks) this.lastBytesMs[track] = this.lastSeenMs[track] = nowMs
  }

  /** Nothing more is wanted of this track. */
  end(track: Track): void {
    if (this.ended[track]) return
    for (const fed of this.intakes[track].release()) this.feeder.add(track, fed)
    this.endedAt[track] = this.intakes[track].position
    this.ended[track] = true
    this.feeder.end(track)
  }

  /** What ending these tracks now would mean, for the one who computes the run again. */
  endingOf(track: Track): Ending {
    const { source, stream } = this
    return { source, stream, endedAt: { ...this.endedAt, [track]: this.intakes[track].position } }
  }

  /** At which position a track was ended. */
  endOf(track: Track): number | undefined {
    return this.endedAt[track]
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

  /** Bytes in memory that the analysis has not used. */
  get pendingBytes(): Readonly<Record<Track, number>> {
    const { intakes } = this
    const { gotrace, perf } = this.feeder.pendingBytes
    return { gotrace: gotrace + intakes.gotrace.heldBytes, perf: perf + intakes.perf.heldBytes }
  }

  /** Processes what there is. Takes a checkpoint when one is due and the analysis stands where one can be taken. */
  pump(nowMs: number, checkpointEveryMs: number): { rows: StoredRow[]; checkpoint: TakenCheckpoint | undefined } {
    let checkpoint: TakenCheckpoint | undefined
    const due = nowMs - this.lastCheckpointMs >= checkpointEveryMs
    const take = (saved: SavedAnalysis) => (checkpoint = this.take(saved, nowMs))
    this.feeder.pump(due ? take : undefined)
    if (this.analysis.done && !this.finished) checkpoint = this.take(undefined, nowMs)
    this.analysis.takeFindings()
    const { run = this.stream } = this
    return { rows: this.analysis.takeRows().map(({ table, row }) => ({ table, row, run })), checkpoint }
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

  /** Counts what was wrong with the order of the messages since the last call. */
  countInto(counts: Counts, deliveries: Deliveries): void {
    for (const track of tracks) {
      const taken = this.intakes[track].takeCounts()
      for (const name of ['duplicates', 'late', 'gaps', 'lostBytes'] as const) {
        if (taken[name] === 0) continue
        // Bytes that are missing stand in the rows of the recording.
        if (name === 'lostBytes') counts.lostBytes[track] += taken[name]
        else deliveries.count(name === 'late' ? 'late_messages' : name, this.sender, track, taken[name])
        this.unsaid[`${track}_${name}`] = (this.unsaid[`${track}_${name}`] ?? 0) + taken[name]
      }
    }
  }

  /** What was wrong with the order and has been counted since the last call; undefined when nothing was. */
  takeUnsaid(): Record<string, number> | undefined {
    const { unsaid } = this
    this.unsaid = {}
    return Object.keys(unsaid).length === 0 ? undefined : unsaid
  }

  private take(saved: SavedAnalysis | undefined, nowMs: number): TakenCheckpoint {
    this.lastCheckpointMs = nowMs
    const pointOf = (track: Track) => saved && this.intakes[track].resumePoint(saved.position[track])
    const resume = { gotrace: pointOf('gotrace'), perf: pointOf('perf') }
    const checkpoint: Checkpoint = {
      version: checkpointVersion,
      source: this.source,
      stream: this.stream,
      run: this.run,
      options: this.options,
      began: { ...this.began },
      resume,
      endedAt: { ...this.endedAt },
      saved,
      takenAtMs: Date.now(),
    }
    return { run: this, serialized: serializeCheckpoint(checkpoint), resume, finished: saved === undefined }
  }
}
