import { type ArchiveKeeper, type Arrival, StreamWriter } from '../../archive/streamWriter.js'
import type { TrackState } from '../../archive/hourWriter.js'
import type { Envelope, Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'
import type { InMessage } from '../../transport/transport.js'
import { type Fed, type IntakeCounts, type Piece, pieceOf, type ResumePoint, TrackIntake } from '../intake.js'

/** One run of one source on its way into the archive: its messages, put back in order, as the normalizer does it. */
export class ArchivedRun {
  lastSeenMs: number
  private readonly intakes: Partial<Record<Track, TrackIntake>> = {}
  /** Where a track that the archive did not know begins. */
  private readonly began: Partial<Record<Track, number>> = {}
  /** Offset after the last message taken. */
  private readonly taken: Partial<Record<Track, bigint>> = {}
  private readonly partition: Partial<Record<Track, number>> = {}

  private constructor(
    private readonly writer: StreamWriter,
    nowMs: number,
  ) {
    this.lastSeenMs = nowMs
  }

  static async open(archive: string, envelope: Envelope, nowMs: number, keeper: ArchiveKeeper): Promise<ArchivedRun> {
    const run = new ArchivedRun(await StreamWriter.open(archive, envelope, keeper), nowMs)
    for (const track of tracks) {
      const reached = run.writer.reached(track)
      if (reached !== undefined) run.intakes[track] = new TrackIntake(track, resumeOf(reached))
    }
    return run
  }

  get directories(): string[] {
    return this.writer.directories
  }

  /** Bytes to be written. */
  get pendingBytes(): number {
    return this.writer.pendingBytes
  }

  /** Bytes that wait for the rest of their generation. */
  get heldBytes(): number {
    return tracks.reduce((sum, track) => sum + (this.intakes[track]?.heldBytes ?? 0), 0)
  }

  async accept(envelope: Envelope, message: InMessage, partition: number): Promise<void> {
    const { track, position, shippedAtMs } = envelope
    const { offset } = message
    const piece = pieceOf(envelope, message)
    if (this.intakes[track] === undefined) this.began[track] = position
    const intake = (this.intakes[track] ??= new TrackIntake(track, beginningAt(track, piece)))
    this.partition[track] = partition
    const fed = intake.accept(piece)
    this.taken[track] = offset + 1n
    if (fed.length > 0) await this.write(track, fed, shippedAtMs, offset, piece.end && position <= intake.position)
  }

  /** Takes what still waits for the rest of its generation: nothing more is expected. */
  async release(): Promise<void> {
    for (const track of tracks) {
      const fed = this.intakes[track]?.release() ?? []
      if (fed.length > 0) await this.write(track, fed, undefined, this.taken[track]! - 1n, false)
    }
  }

  /** The first message that must be read again after a restart, when everything is flushed; undefined: none. */
  neededFrom(track: Track): bigint | undefined {
    const offset = this.intakes[track]?.resumePoint(this.fedPosition(track))?.offset
    return offset === undefined || offset === this.taken[track] ? undefined : offset
  }

  /** @throws DamagedCapture when a capture is not as it was left */
  async flush(): Promise<void> {
    await this.writer.flush()
    for (const track of tracks) this.intakes[track]?.forgetBefore(this.fedPosition(track))
  }

  /** The capture in a directory is not there any more: what has not been written becomes a new one. */
  beginAgain(directory: string): void {
    this.writer.beginAgain(directory)
  }

  takeCounts(track: Track): IntakeCounts | undefined {
    return this.intakes[track]?.takeCounts()
  }

  private fedPosition(track: Track): number {
    return this.writer.reached(track)?.fedPosition ?? this.began[track] ?? 0
  }

  private async write(
    track: Track,
    fed: readonly Fed[],
    shippedAtMs: number | undefined,
    offset: bigint,
    ended: boolean,
  ): Promise<void> {
    const before = this.fedPosition(track)
    const sizeBytes = fed.reduce((sum, { bytes: { length } }) => sum + length, 0)
    const point = this.intakes[track]!.resumePoint(before + sizeBytes)!
    const arrival: Arrival = {
      bytes: fed.map(({ bytes }) => bytes),
      gapBytes: fed.map(({ gapBytes }) => gapBytes),
      shippedAtMs,
      partition: this.partition[track]!,
      offset,
      begin: before,
      reached: { ...point, offset: String(point.offset) },
      ended,
    }
    await this.writer.add(track, arrival)
  }
}

function resumeOf(reached: TrackState['reached']): ResumePoint {
  return { ...reached, offset: BigInt(reached.offset) }
}

/** What came before is not in Kafka any more, or went into another archive: that is no gap, and the archive begins here. */
function beginningAt(track: Track, { position, offset, sequence }: Piece): ResumePoint | undefined {
  if (position === 0) return undefined
  const wantsHeader = track === 'gotrace'
  return { offset, streamPosition: position, fedPosition: position, skipping: sequence !== 0, gapBytes: 0, wantsHeader }
}
