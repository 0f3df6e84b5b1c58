import { GenerationSplitter } from '../gotrace/index.js'
import { lastRecordBoundary } from '../perf/index.js'
import type { Track } from '../transport/envelope.js'

/** A piece of a track that fits into one message. */
export interface CutPiece {
  readonly position: number
  readonly bytes: Uint8Array
  /** Number of the generation, counted by the cutter, and of the piece within it. Both 0 and `last` true for perf text. */
  readonly generation: number
  readonly sequence: number
  readonly last: boolean
}

/** Cuts a track into messages: a Go trace into its generations, perf text where records end. */
export interface Cutter {
  push(chunk: Uint8Array): CutPiece[]
  /** Gives out what would otherwise wait for more bytes, as far as it is whole. */
  flush(): CutPiece[]
  end(): CutPiece[]
}

export function cutterFor(track: Track, maxBytes: number): Cutter {
  return track === 'gotrace' ? new GenerationCutter(maxBytes) : new PerfCutter(maxBytes)
}

class GenerationCutter implements Cutter {
  private readonly splitter = new GenerationSplitter()
  private generation = 0

  constructor(private readonly maxBytes: number) {}

  push(chunk: Uint8Array): CutPiece[] {
    this.splitter.push(chunk)
    return this.drain()
  }

  flush(): CutPiece[] {
    return []
  }

  end(): CutPiece[] {
    this.splitter.end()
    return this.drain()
  }

  private drain(): CutPiece[] {
    const pieces: CutPiece[] = []
    for (let next = this.splitter.next(); next !== undefined; next = this.splitter.next()) {
      const { bytes, offsetBytes } = next
      this.generation++
      for (let from = 0, sequence = 0; from < bytes.length; from += this.maxBytes, sequence++) {
        const piece = bytes.subarray(from, from + this.maxBytes)
        const last = from + this.maxBytes >= bytes.length
        pieces.push({ position: offsetBytes + from, bytes: piece, generation: this.generation, sequence, last })
      }
    }
    return pieces
  }
}

class PerfCutter implements Cutter {
  private pending = Buffer.alloc(0)
  private position = 0

  constructor(private readonly maxBytes: number) {}

  push(chunk: Uint8Array): CutPiece[] {
    const pieces: CutPiece[] = []
    for (let from = 0; from < chunk.length; from += this.maxBytes) {
      this.pending = Buffer.concat([this.pending, chunk.subarray(from, from + this.maxBytes)])
      while (this.pending.length >= this.maxBytes) {
        const boundary = lastRecordBoundary(this.pending.subarray(0, this.maxBytes))
        // A record longer than a message is cut in two: the reader puts it together again.
        pieces.push(this.take(boundary === 0 ? this.maxBytes : boundary))
      }
    }
    return pieces
  }

  flush(): CutPiece[] {
    const boundary = lastRecordBoundary(this.pending)
    return boundary === 0 ? [] : [this.take(boundary)]
  }

  end(): CutPiece[] {
    return this.pending.length === 0 ? [] : [this.take(this.pending.length)]
  }

  private take(sizeBytes: number): CutPiece {
    const bytes = Uint8Array.from(this.pending.subarray(0, sizeBytes))
    const piece = { position: this.position, bytes, generation: 0, sequence: 0, last: true }
    this.position += sizeBytes
    this.pending = this.pending.subarray(sizeBytes)
    return piece
  }
}
