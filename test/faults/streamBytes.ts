import type { Analysis } from '../../src/analysis/analysis.js'
import { traceHeader, traceVersionOf } from '../../src/gotrace/index.js'
import { groupBy } from '../../src/groupBy.js'
import type { Envelope, Track } from '../../src/transport/envelope.js'

/** Bytes of one message that had not come before. */
interface Piece {
  readonly envelope: Envelope
  readonly position: number
  readonly bytes: Uint8Array
}

/**
 * One track of a stream, put together from its messages in the order of the topic. What came twice counts once. What a killed collector had in
 * memory is missing: a generation of a Go trace that is not whole for that reason is of no use, and what is missing is told in bytes.
 */
export class StreamBytes {
  private readonly pieces: Piece[] = []
  private position = 0
  /** Where the message that ends the track stands; 0: there is none. */
  private endedAt = 0

  constructor(private readonly track: Track) {}

  append(envelope: Envelope, value: Uint8Array): void {
    const from = Math.max(envelope.position, this.position)
    const bytes = value.subarray(from - envelope.position)
    if (bytes.length > 0) this.pieces.push({ envelope, position: from, bytes })
    this.position = Math.max(this.position, from + bytes.length)
    if (envelope.end === true) this.endedAt = envelope.position
  }

  /** Gives an analysis all of it, a message at each step, and ends the track there. */
  *feedInto(analysis: Analysis): Generator<void> {
    const { track } = this
    const useful = track === 'perf' ? this.pieces : this.readablePieces()
    let until = 0
    for (const { envelope, position, bytes } of useful) {
      if (position > until) analysis.gap(track, position - until)
      const header = until === 0 && track === 'gotrace' ? lostHeader(envelope, bytes) : []
      analysis.feed(track, Buffer.concat([...header, bytes]), envelope.shippedAtMs)
      until = position + bytes.length
      yield
    }
    // Only the message that ends the track says that something is missing behind all others.
    if (this.endedAt > until) analysis.gap(track, this.endedAt - until)
    analysis.end(track)
  }

  /** Those of whole generations, and of a last one as far as it came. */
  private readablePieces(): Piece[] {
    const generations = [...groupBy(this.pieces, ({ envelope }) => String(envelope.generation)).values()]
    const isReadable = (pieces: readonly Piece[]) => {
      const end = pieces.at(-1)!
      const isComplete = end.envelope.last === true || end.position + end.bytes.length === this.position
      return pieces[0]!.envelope.sequence === 0 && pieces.every(followsTheOneBefore) && isComplete
    }
    return generations.filter(isReadable).flat()
  }
}

function followsTheOneBefore({ position }: Piece, at: number, pieces: readonly Piece[]): boolean {
  const before = pieces[at - 1]
  return before === undefined || before.position + before.bytes.length === position
}

/** The header of a trace stands before its first generation only. */
function lostHeader({ traceVersion }: Envelope, bytes: Uint8Array): Uint8Array[] {
  return traceVersion === undefined || traceVersionOf(bytes) !== undefined ? [] : [traceHeader(traceVersion)]
}
