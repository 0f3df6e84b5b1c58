import { maxHeldBytes, traceHeader, traceVersionOf } from '../gotrace/index.js'
import type { Envelope, Track } from '../transport/envelope.js'
import type { InMessage } from '../transport/transport.js'

/** One message of a track, as it came from the topic. */
export interface Piece {
  readonly offset: bigint
  /** Where the bytes begin in the track. */
  readonly position: number
  readonly bytes: Uint8Array
  /** gotrace: number of the piece in its generation, and whether it is the last one. */
  readonly sequence: number
  readonly last: boolean
  /** gotrace: as the header of the trace has it. */
  readonly traceVersion?: string | undefined
  readonly end: boolean
}

export function pieceOf(envelope: Envelope, { offset, value }: InMessage): Piece {
  const { position, sequence = 0, last = false, traceVersion, end = false } = envelope
  return { offset, position, bytes: value, sequence, last, traceVersion, end }
}

/** Where a track must be read again from: plain data, part of a checkpoint. */
export interface ResumePoint {
  /** Messages of the source before this offset are done with. */
  readonly offset: bigint
  /** First byte still wanted, counted in the track as shipped, and as fed to the analysis: they differ after a gap. */
  readonly streamPosition: number
  readonly fedPosition: number
  /** The rest of a damaged generation is being skipped. */
  readonly skipping: boolean
  /** Bytes missing just before the first one wanted, which the analysis has not been told of. */
  readonly gapBytes: number
  /** gotrace: nothing has been fed yet, so that the first bytes must begin with a header. */
  readonly wantsHeader: boolean
}

/** Bytes to feed, and how many are missing in the track right before them. */
export interface Fed {
  readonly bytes: Uint8Array
  readonly gapBytes: number
}

/** What was wrong with the messages of a track, in messages; `lostBytes` in bytes. */
export type IntakeCounts = Record<'duplicates' | 'late' | 'gaps' | 'lostBytes', number>

interface Entry {
  readonly offset: bigint
  readonly streamPosition: number
  readonly fedPosition: number
  /** Bytes fed; the first `headerBytes` of them did not come with the message. */
  readonly sizeBytes: number
  readonly headerBytes: number
  readonly gapBytes: number
  readonly wantsHeader: boolean
}

const noCounts = (): IntakeCounts => ({ duplicates: 0, late: 0, gaps: 0, lostBytes: 0 })

/** What a piece takes in memory besides its bytes, about. */
const pieceBytes = 500

/** Gaps remembered, to tell late messages from duplicates. */
const gapsRemembered = 100

/**
 * Puts the messages of one track back into the byte stream they were cut from: what came twice is dropped, what is missing is
 * counted, and a generation of the Go trace goes on only when all its pieces are there, so that a lost message costs one
 * generation and never the framing of those after it. So does a generation that is larger than can be read, or does not end. When the first generation is what is lost, the trace's header, which came with it,
 * is put before the next one.
 */
export class TrackIntake {
  counts: IntakeCounts = noCounts()
  private readonly firstOffsetWanted: bigint
  private nextPosition: number
  private nextFedPosition: number
  private skipping: boolean
  private held: { entry: Entry; bytes: Uint8Array }[] = []
  private heldSizeBytes = 0
  private entries: Entry[] = []
  private gaps: { from: number; to: number }[] = []
  /** Missing since the last bytes that were kept. */
  private gapBytes: number
  private wantsHeader: boolean
  private lastOffset: bigint | undefined
  private first: bigint | undefined

  constructor(
    private readonly track: Track,
    resume?: ResumePoint,
    /** Most memory that pieces may take which wait for the rest of their generation, of a trace of that version. */
    private readonly limitBytes: (traceVersion: string | undefined) => number = maxHeldBytes,
  ) {
    this.firstOffsetWanted = resume?.offset ?? 0n
    this.nextPosition = resume?.streamPosition ?? 0
    this.nextFedPosition = resume?.fedPosition ?? 0
    this.skipping = resume?.skipping ?? false
    this.gapBytes = resume?.gapBytes ?? 0
    this.wantsHeader = resume?.wantsHeader ?? track === 'gotrace'
    if (resume !== undefined) this.lastOffset = resume.offset - 1n
  }

  /** Offset of the first message seen since this intake was made. */
  get firstOffset(): bigint | undefined {
    return this.first
  }

  /** How far the track has come, in bytes as shipped. */
  get position(): number {
    return this.nextPosition
  }

  /** Bytes that wait here for the rest of their generation. */
  get heldBytes(): number {
    return this.heldSizeBytes
  }

  /** Takes a message and says which bytes are to be fed now, in order. */
  accept(piece: Piece): Fed[] {
    if (piece.offset < this.firstOffsetWanted) return []
    this.first ??= piece.offset
    this.lastOffset = piece.offset
    const endPosition = piece.position + piece.bytes.length
    if (endPosition <= this.nextPosition && piece.bytes.length > 0) return this.refuse(piece)
    if (piece.position > this.nextPosition) this.noteGap(piece.position)
    const bytes = piece.bytes.subarray(Math.max(0, this.nextPosition - piece.position))
    const streamPosition = endPosition - bytes.length
    this.nextPosition = Math.max(this.nextPosition, endPosition)
    if (this.track === 'gotrace' && this.isTooMuch(piece, bytes)) this.giveUpHeld()
    if (this.track === 'gotrace' && this.skipping && bytes.length > 0) {
      this.skipping = piece.sequence !== 0
      if (this.skipping) {
        this.lose(bytes.length)
        return []
      }
    }
    this.hold(piece, bytes, streamPosition)
    return this.track === 'perf' || piece.last || piece.end ? this.release() : []
  }

  /** Where to read again from, when the analysis has used the first `fedPosition` bytes it was fed. */
  resumePoint(fedPosition: number): ResumePoint | undefined {
    const waiting = [...this.entries, ...this.held.map(({ entry }) => entry)]
    const entry = waiting.find((candidate) => candidate.fedPosition + candidate.sizeBytes > fedPosition)
    if (entry !== undefined) {
      const { offset } = entry
      const isUsed = fedPosition > entry.fedPosition
      const streamPosition = entry.streamPosition + Math.max(0, fedPosition - entry.fedPosition - entry.headerBytes)
      const gapBytes = isUsed ? 0 : entry.gapBytes
      const wantsHeader = isUsed ? false : entry.wantsHeader
      return { offset, streamPosition, fedPosition, skipping: false, gapBytes, wantsHeader }
    }
    if (this.lastOffset === undefined) return undefined
    const { skipping, gapBytes, wantsHeader, nextPosition: streamPosition } = this
    return { offset: this.lastOffset + 1n, streamPosition, fedPosition, skipping, gapBytes, wantsHeader }
  }

  /** Nothing before this point will be asked for again. */
  forgetBefore(fedPosition: number): void {
    const keep = this.entries.findIndex((entry) => entry.fedPosition + entry.sizeBytes > fedPosition)
    this.entries = keep < 0 ? [] : this.entries.slice(keep)
  }

  takeCounts(): IntakeCounts {
    const { counts } = this
    this.counts = noCounts()
    return counts
  }

  /** Gives up the pieces that wait for the rest of their generation: the track has ended. */
  release(): Fed[] {
    const released = this.takeHeld()
    for (const { entry } of released) {
      this.entries.push(entry)
      this.nextFedPosition += entry.sizeBytes
    }
    return released.map(({ entry: { gapBytes }, bytes }) => ({ bytes, gapBytes }))
  }

  private hold(piece: Piece, shipped: Uint8Array, streamPosition: number): void {
    const { gapBytes, wantsHeader } = this
    const header = wantsHeader && piece.sequence === 0 ? lostHeader(piece, shipped) : undefined
    const bytes = header === undefined ? shipped : Buffer.concat([header, shipped])
    const entry = {
      offset: piece.offset,
      streamPosition,
      fedPosition: this.nextFedPosition + this.heldSizeBytes,
      sizeBytes: bytes.length,
      headerBytes: header?.length ?? 0,
      gapBytes,
      wantsHeader,
    }
    this.gapBytes = 0
    if (bytes.length > 0) this.wantsHeader = false
    this.held.push({ entry, bytes })
    this.heldSizeBytes += bytes.length
  }

  private takeHeld(): { entry: Entry; bytes: Uint8Array }[] {
    const { held } = this
    this.held = []
    this.heldSizeBytes = 0
    return held
  }

  private refuse(piece: Piece): [] {
    const late = this.gaps.some((gap) => piece.position >= gap.from && piece.position < gap.to)
    if (late) this.counts.late++
    else this.counts.duplicates++
    return []
  }

  private noteGap(position: number): void {
    this.counts.gaps++
    this.lose(position - this.nextPosition)
    this.gaps.push({ from: this.nextPosition, to: position })
    if (this.gaps.length > gapsRemembered) this.gaps.shift()
    this.nextPosition = position
    if (this.track === 'gotrace') this.giveUpHeld()
  }

  private isTooMuch({ traceVersion }: Piece, { length }: Uint8Array): boolean {
    const { held, heldSizeBytes } = this
    return held.length > 0 && heldSizeBytes + length + (held.length + 1) * pieceBytes > this.limitBytes(traceVersion)
  }

  /** The generation whose pieces wait will not be whole: the rest of it is skipped. */
  private giveUpHeld(): void {
    this.wantsHeader = this.held[0]?.entry.wantsHeader ?? this.wantsHeader
    for (const { entry } of this.takeHeld()) {
      this.lose(entry.sizeBytes - entry.headerBytes)
      this.gapBytes += entry.gapBytes
    }
    this.skipping = true
  }

  private lose(sizeBytes: number): void {
    this.counts.lostBytes += sizeBytes
    this.gapBytes += sizeBytes
  }
}

/** The header that the bytes of a generation lack, when their message tells what it was. */
function lostHeader({ position, traceVersion }: Piece, bytes: Uint8Array): Uint8Array | undefined {
  if (position === 0 || bytes.length === 0 || traceVersion === undefined) return undefined
  return traceVersionOf(bytes) === undefined ? traceHeader(traceVersion) : undefined
}
