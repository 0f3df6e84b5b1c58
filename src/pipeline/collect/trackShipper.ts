import { countRecords, lastRecordTime, lostRecordText } from '../../perf/index.js'
import type { Track } from '../../transport/envelope.js'
import { pack } from '../../transport/packing.js'
import type { Topics } from '../../transport/topics.js'
import { type CutPiece, type Cutter, cutterFor } from '../cutter.js'
import { Mutex } from '../mutex.js'
import { aliveMessage, endMessage, pieceMessage, type StreamIdentity } from '../shipper.js'
import type { Outbox } from './outbox.js'
import type { InputStatus } from './status.js'

export interface TrackDestination {
  readonly outbox: Pick<Outbox, 'offer' | 'tell'>
  readonly topics: Topics
  readonly messageBytes: number
}

/** A track of which nothing comes gives a sign of life so often: several times within the normalizer's `lateness`. */
const aliveEveryMs = 1000

export function shipperOf(
  track: Track,
  identity: StreamIdentity,
  to: TrackDestination,
  status: InputStatus,
): TrackShipper {
  return track === 'perf' ? new PerfShipper(identity, to, status) : new GenerationShipper(identity, to, status)
}

/** Ships one track of a run. What finds no room is left out as a whole generation, or as whole records with a LOST record in their place. */
export abstract class TrackShipper {
  private readonly cutter: Cutter
  private readonly mutex = new Mutex()
  private endAt = 0
  private offeredMs = performance.now()

  constructor(
    private readonly track: Track,
    protected readonly identity: StreamIdentity,
    protected readonly to: TrackDestination,
    protected readonly status: InputStatus,
  ) {
    this.cutter = cutterFor(track, to.messageBytes)
  }

  push(chunk: Uint8Array): Promise<void> {
    this.status[this.track].bytes += chunk.length
    return this.mutex.run(() => this.ship(this.cutter.push(chunk)))
  }

  /** Ships what is whole. A track of which nothing comes and that `isAlive` says so. */
  tick(isAlive: boolean): Promise<void> {
    return this.mutex.run(async () => {
      await this.ship(this.cutter.flush())
      const nowMs = performance.now()
      if (nowMs - this.offeredMs < aliveEveryMs || !isAlive) return
      this.offeredMs = nowMs
      await this.to.outbox.tell(aliveMessage(this.to.topics, this.identity, this.track, this.endAt))
    })
  }

  end(): Promise<void> {
    return this.mutex.run(async () => {
      await this.ship(this.cutter.end())
      await this.to.outbox.offer([endMessage(this.to.topics, this.identity, this.track, this.endAt)])
    })
  }

  /** Offers one unit: what can only be used as a whole. */
  protected abstract offer(unit: readonly CutPiece[]): Promise<void>

  protected async send(unit: readonly CutPiece[]): Promise<boolean> {
    const nowMs = Date.now()
    const { topics, outbox } = this.to
    const message = async (piece: CutPiece) =>
      pieceMessage(topics, this.identity, this.track, piece, await pack(piece.bytes), nowMs)
    return outbox.offer(await Promise.all(unit.map(message)))
  }

  private async ship(pieces: readonly CutPiece[]): Promise<void> {
    let from = 0
    for (const [at, piece] of pieces.entries()) {
      if (!piece.last) continue
      await this.offer(pieces.slice(from, at + 1))
      from = at + 1
    }
    const last = pieces.at(-1)
    if (last === undefined) return
    this.endAt = last.position + last.bytes.length
    this.offeredMs = performance.now()
  }
}

class GenerationShipper extends TrackShipper {
  constructor(identity: StreamIdentity, to: TrackDestination, status: InputStatus) {
    super('gotrace', identity, to, status)
  }

  protected async offer(unit: readonly CutPiece[]): Promise<void> {
    this.status.gotrace.generations++
    if (!(await this.send(unit))) this.status.gotrace.shedGenerations++
  }
}

class PerfShipper extends TrackShipper {
  /** Records left out since the last piece that found room, and the time of the last record before them. */
  private shedRecords = 0
  private keptUntilNs: bigint | undefined

  constructor(identity: StreamIdentity, to: TrackDestination, status: InputStatus) {
    super('perf', identity, to, status)
  }

  protected async offer(unit: readonly CutPiece[]): Promise<void> {
    const [piece] = unit
    if (piece === undefined) return
    if (await this.send([this.withLoss(piece)])) {
      this.shedRecords = 0
      this.keptUntilNs = lastRecordTime(Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.length))
      return
    }
    const records = countRecords(piece.bytes)
    this.shedRecords += records
    this.status.perf.shedRecords += records
  }

  /**
   * A reader must know that something is missing: until a thread's next record nothing is known of it. The record saying so takes the
   * place of the last bytes that were left out, so that positions stay what they are.
   */
  private withLoss(piece: CutPiece): CutPiece {
    if (this.shedRecords === 0) return piece
    const loss = lostRecordText(this.keptUntilNs ?? 1n, this.shedRecords)
    return { ...piece, position: piece.position - loss.length, bytes: Buffer.concat([loss, piece.bytes]) }
  }
}
