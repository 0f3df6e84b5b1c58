import type { Thresholds } from '../measures/thresholds.js'
import type { StoredRow } from '../store/store.js'
import type { Envelope, Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import type { InMessage } from '../transport/transport.js'
import { type Checkpoint, checkpointVersion, type Ending, runKey, withoutState } from './checkpoint.js'
import type { Counts } from './counts.js'
import type { Deliveries, Sender } from './deliveries.js'
import { pieceOf } from './intake.js'
import { type LoadingPartition, unusableSentence } from './loading.js'
import { SourceRun, type TakenCheckpoint } from './sourceRun.js'

export interface PartitionOptions {
  readonly counts: Counts
  readonly deliveries: Deliveries
  readonly thresholds: Partial<Thresholds> | undefined
  readonly checkpointEveryMs: number
}

/**
 * Messages of a track that are computed again, at most, to make a run whole whose state cannot be used: minutes of work. A run of days would keep
 * all that is live waiting for as long.
 */
const mostMessagesAgain = 20_000n

/** What is remembered of a run that is over. */
interface FinishedRun {
  readonly endedAt: Checkpoint['endedAt']
  readonly takenAtMs: number
}

/** What one partition number, in all topics, has in memory: the runs of its sources, and rows not yet written. */
export class Partition {
  rows: StoredRow[] = []
  checkpoints: TakenCheckpoint[] = []
  /** Offset after the last message handled. */
  readonly consumed: Record<Track, bigint>
  /** Checkpoints that could not be resumed from, and runs given up, one sentence each. */
  problems: string[] = []
  /** Keys of the runs whose analysis failed, where there is a checkpoint from which they would be tried again for ever. */
  readonly failures: string[] = []
  private readonly runs = new Map<string, SourceRun>()
  private readonly finished = new Map<string, FinishedRun>()
  /** Runs whose analysis failed, and when, ms since the epoch. */
  private readonly abandoned = new Map<string, number>()
  /** Runs that a restart would begin at a checkpoint, and whether their analysis had failed on what follows it. */
  private readonly resumable = new Map<string, boolean>()
  private readonly endings: ReadonlyMap<string, Ending>
  private readonly resumeFrom: Record<Track, bigint>

  constructor(
    readonly number: number,
    private readonly options: PartitionOptions,
    loaded: Pick<LoadingPartition, 'checkpoints' | 'placesOnly' | 'endings' | 'failures'>,
    committed: Readonly<Record<Track, bigint>>,
    nowMs: number,
  ) {
    this.resumeFrom = { ...committed }
    this.endings = loaded.endings
    for (const checkpoint of loaded.checkpoints) this.tryRestore(checkpoint, nowMs)
    for (const checkpoint of loaded.placesOnly)
      this.goOnWithout(
        checkpoint,
        nowMs,
        `it has version ${checkpoint.version}, this normalizer reads ${checkpointVersion}`,
      )
    this.consumed = { ...this.resumeFrom }
    for (const { source, stream, saved } of [...loaded.checkpoints, ...loaded.placesOnly]) {
      const key = runKey(source, stream)
      if (saved !== undefined) this.resumable.set(key, loaded.failures.has(key))
    }
  }

  /** Where each topic must be read from: where the group stands, or earlier when a run asks for it. */
  get startOffset(): Readonly<Record<Track, bigint>> {
    return this.resumeFrom
  }

  get openRuns(): IterableIterator<SourceRun> {
    return this.runs.values()
  }

  /** What is known of a source, of which there is a run. */
  known(source: string): Sender | undefined {
    for (const { sender } of this.runs.values()) if (sender.source === source) return sender
    return undefined
  }

  /** Handles one message; whatever it makes possible is computed at once. */
  accept(envelope: Envelope, message: InMessage, nowMs: number): void {
    const { track, stream, source } = envelope
    const key = runKey(source, stream)
    const { position, shippedAtMs } = envelope
    if (envelope.alive === true) {
      this.runs.get(key)?.seeAlive(track, nowMs)
      return
    }
    const { counts, deliveries } = this.options
    const over = this.finished.get(key)
    if (over !== undefined || this.abandoned.has(key)) {
      if (over === undefined) deliveries.count('abandoned', envelope, track)
      // What had been read before the end comes again after a restart.
      else if (position + message.value.length > (over.endedAt[track] ?? Infinity))
        deliveries.count('late_messages', envelope, track)
      return
    }
    const run = this.runs.get(key) ?? this.begin(envelope, key, nowMs)
    // A later run of the same source ships this track now: earlier ones have said all they will.
    for (const other of this.runs.values())
      if (other.source === source && other.stream < stream && !other.isEnded(track)) this.endTrack(other, track, nowMs)
    run.accept(track, pieceOf(envelope, message), shippedAtMs, nowMs)
    run.countInto(counts, deliveries)
    this.pump(run, nowMs)
  }

  /** Ends a track that no message ends. A run that fails by that is given up, and nobody else is. */
  endTrack(run: SourceRun, track: Track, nowMs: number): void {
    try {
      run.end(track)
      this.pump(run, nowMs)
    } catch (error) {
      this.abandon(run)
      this.problems.push(`the analysis of ${run.source} failed: ${(error as Error).stack ?? String(error)}`)
    }
  }

  /** Takes a checkpoint of every run that stands where one can be taken. */
  takeCheckpoints(nowMs: number): void {
    for (const run of this.runs.values()) this.pump(run, nowMs, 0)
  }

  private pump(run: SourceRun, nowMs: number, checkpointEveryMs = this.options.checkpointEveryMs): void {
    const { rows, checkpoint } = run.pump(nowMs, checkpointEveryMs)
    for (const row of rows) this.rows.push(row)
    if (checkpoint === undefined) return
    // Of a run only the latest counts.
    this.checkpoints = [...this.checkpoints.filter((earlier) => earlier.run !== run), checkpoint]
  }

  /** Leaves the rest of a run out. After a restart it is tried again from its last checkpoint, once. */
  abandon({ source, stream }: Pick<Envelope, 'source' | 'stream'>): void {
    const key = runKey(source, stream)
    this.runs.delete(key)
    this.abandoned.set(key, Date.now())
    if (this.resumable.has(key)) this.failures.push(key)
    this.checkpoints = this.checkpoints.filter((checkpoint) => checkpoint.run.key !== key)
  }

  /** A checkpoint lies safely in its topic. */
  committed(checkpoint: TakenCheckpoint): void {
    const { run } = checkpoint
    run.committed(checkpoint)
    this.resumable.set(run.key, false)
    if (!checkpoint.finished) return
    this.resumable.delete(run.key)
    this.runs.delete(run.key)
    const endedAt = { gotrace: run.endOf('gotrace'), perf: run.endOf('perf') }
    this.finished.set(run.key, { endedAt, takenAtMs: Date.now() })
  }

  /** Runs that have been over for so long that nobody needs to remember them, by key. */
  finishedBefore(wallMs: number): string[] {
    return [...this.finished].filter(([, { takenAtMs }]) => takenAtMs < wallMs).map(([key]) => key)
  }

  forget(keys: readonly string[]): void {
    for (const key of keys) this.finished.delete(key)
  }

  /** Whether the analysis of a run had failed before on what follows its checkpoint; undefined when it has none. */
  hasFailedBefore(key: string): boolean | undefined {
    return this.resumable.get(key)
  }

  /** What comes of a run that was given up so long ago is a new beginning of it. */
  forgetAbandonedBefore(wallMs: number): void {
    for (const [key, abandonedMs] of this.abandoned) if (abandonedMs < wallMs) this.abandoned.delete(key)
  }

  /** Everything before this offset is never needed again. */
  commitOffset(track: Track): bigint {
    let offset = this.consumed[track]
    for (const run of this.runs.values()) {
      const needed = run.neededFrom(track)
      if (needed !== undefined && needed < offset) offset = needed
    }
    return offset
  }

  /**
   * The track that has run so far ahead of the other one that it must wait. Never both: when sources want different tracks to
   * wait, their messages lie mixed in the topics, and only reading on helps.
   * @param mostBytes of a track that may wait for the other one.
   */
  trackAhead(mostBytes: number): Track | undefined {
    const { waitingBytes: waiting } = this
    const ahead = tracks.filter((track) => waiting[track] > mostBytes)
    return ahead.length === 1 ? ahead[0] : undefined
  }

  /** Bytes of each track that wait for the other one. */
  get waitingBytes(): Record<Track, number> {
    const waiting: Record<Track, number> = { gotrace: 0, perf: 0 }
    for (const run of this.runs.values()) {
      if (run.starving === 'perf') waiting.gotrace += run.pendingBytes.gotrace
      if (run.starving === 'gotrace') waiting.perf += run.pendingBytes.perf
    }
    return waiting
  }

  private begin(envelope: Envelope, key: string, nowMs: number): SourceRun {
    const { source, stream, track } = envelope
    const run = SourceRun.fromEnvelope(envelope, this.options.thresholds, nowMs, this.endings.get(key))
    for (const other of this.runs.values())
      if (other.source === source && other.stream > stream) {
        this.options.deliveries.count('from_the_past', envelope, track)
        break
      }
    this.runs.set(key, run)
    return run
  }

  private tryRestore(checkpoint: Checkpoint, nowMs: number): void {
    const key = runKey(checkpoint.source, checkpoint.stream)
    try {
      if (checkpoint.saved !== undefined) this.restore(checkpoint, key, nowMs)
      else this.finished.set(key, { endedAt: checkpoint.endedAt, takenAtMs: checkpoint.takenAtMs })
    } catch (error) {
      this.runs.delete(key)
      this.goOnWithout(checkpoint, nowMs, (error as Error).message)
    }
  }

  /** The state cannot be used. What lies not far back is computed again, and nothing is missing; of more than that the places are kept. */
  private goOnWithout(checkpoint: Checkpoint, nowMs: number, reason: string): void {
    const { source, stream, began, resume } = checkpoint
    const key = runKey(source, stream)
    const isFar = tracks.some((track) => (resume[track]?.offset ?? 0n) - (began[track] ?? 0n) > mostMessagesAgain)
    const instead = isFar
      ? 'it goes on from there with nothing known of before; reprocess makes these seconds whole'
      : 'it is computed anew from its beginning'
    this.problems.push(unusableSentence(key, reason, instead))
    if (isFar) this.restore(withoutState(checkpoint), key, nowMs)
    else for (const track of tracks) this.readFrom(track, began[track])
  }

  private restore(checkpoint: Checkpoint, key: string, nowMs: number): void {
    const { source, stream, run, options, resume } = checkpoint
    const own = { ...options, thresholds: this.options.thresholds }
    this.runs.set(key, new SourceRun(source, stream, run, own, nowMs, checkpoint, this.endings.get(key)))
    for (const track of tracks) this.readFrom(track, resume[track]?.offset)
  }

  private readFrom(track: Track, offset: bigint | undefined): void {
    if (offset !== undefined && offset < this.resumeFrom[track]) this.resumeFrom[track] = offset
  }
}

/** What may wait in one of a member's partitions: as much as it needs while there is room in the member, then an equal share of it. */
export function mostWaitingBytes(partitions: readonly Pick<Partition, 'waitingBytes'>[], memberBytes: number): number {
  let bytes = 0
  for (const { waitingBytes } of partitions) bytes += waitingBytes.gotrace + waitingBytes.perf
  return bytes <= memberBytes ? memberBytes : memberBytes / partitions.length
}
