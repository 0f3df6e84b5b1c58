import { GenerationSplitter, traceVersionOf } from '../gotrace/index.js'
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
  /** Version of the trace the generation belongs to, as its header had it; undefined for perf text, and before any header. */
  readonly traceVersion: string | undefined
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
  private traceVersion: string | undefined

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
      this.traceVersion = traceVersionOf(bytes) ?? this.traceVersion
      const { generation, traceVersion } = this
      for (let from = 0, sequence = 0; from < bytes.length; from += this.maxBytes, sequence++) {
        const piece = bytes.subarray(from, from + this.maxBytes)
        const last = from + this.maxBytes >= bytes.length
        pieces.push({ position: offsetBytes + from, bytes: piece, generation, sequence, last, traceVersion })
      }
    }
    return pieces
  }
}

class PerfCutter implements Cutter {
  private pending: Uint8Array[] = []
  private pendingBytes = 0
  private position = 0

  constructor(private readonly maxBytes: number) {}

  push(chunk: Uint8Array): CutPiece[] {
    if (chunk.length === 0) return []
    this.pending.push(chunk)
    this.pendingBytes += chunk.length
    return this.pendingBytes < this.maxBytes ? [] : this.cut(false)
  }

  flush(): CutPiece[] {
    return this.cut(true)
  }

  end(): CutPiece[] {
    const pieces = this.cut(false)
    if (this.pendingBytes > 0) pieces.push(this.piece(this.join()))
    this.keep(new Uint8Array(0))
    return pieces
  }

  /** Cuts off what fills messages; with `all`, also the whole records that do not fill one. */
  private cut(all: boolean): CutPiece[] {
    const pieces: CutPiece[] = []
    let bytes = this.join()
    while (bytes.length >= this.maxBytes || (all && bytes.length > 0)) {
      const isFull = bytes.length >= this.maxBytes
      const boundary = lastRecordBoundary(bytes.subarray(0, this.maxBytes))
      if (boundary === 0 && !isFull) break
      // A record longer than a message is cut in two: the reader puts it together again.
      const sizeBytes = boundary === 0 ? this.maxBytes : boundary
      pieces.push(this.piece(bytes.subarray(0, sizeBytes)))
      bytes = bytes.subarray(sizeBytes)
    }
    // A copy, so that the rest of a message does not keep all of it.
    this.keep(pieces.length === 0 ? bytes : Uint8Array.prototype.slice.call(bytes))
    return pieces
  }

  private keep(rest: Uint8Array): void {
    this.pending = rest.length === 0 ? [] : [rest]
    this.pendingBytes = rest.length
  }

  /** Never bytes that the caller of `push` still has: pieces wait. */
  private join(): Uint8Array {
    return Buffer.concat(this.pending, this.pendingBytes)
  }

  private piece(bytes: Uint8Array): CutPiece {
    const { position } = this
    const piece = { position, bytes, generation: 0, sequence: 0, last: true, traceVersion: undefined }
    this.position += bytes.length
    return piece
  }
}
