import { GenerationSplitter, traceVersionOf } from '../gotrace/index.js'
import { lastRecordBoundary } from '../perf/index.js'
import type { Track } from '../transport/envelope.js'

/** A piece of a track that fits into one message. */
export interface CutPiece {
  readonly position: number
  /** Of perf text valid until the next push. */
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
  /** What has not been cut off yet lies in [from, to). */
  private buffer: Buffer
  private from = 0
  private to = 0
  private position = 0

  constructor(private readonly maxBytes: number) {
    this.buffer = Buffer.allocUnsafe(2 * maxBytes)
  }

  push(chunk: Uint8Array): CutPiece[] {
    this.append(chunk)
    return this.to - this.from < this.maxBytes ? [] : this.cut(false)
  }

  flush(): CutPiece[] {
    return this.cut(true)
  }

  end(): CutPiece[] {
    const pieces = this.cut(false)
    if (this.to > this.from) pieces.push(this.take(this.to - this.from))
    return pieces
  }

  private append(chunk: Uint8Array): void {
    if (this.to + chunk.length > this.buffer.length) {
      const old = this.buffer
      const restBytes = this.to - this.from
      if (restBytes + chunk.length > old.length) this.buffer = Buffer.allocUnsafe(2 * (restBytes + chunk.length))
      old.copy(this.buffer, 0, this.from, this.to)
      this.from = 0
      this.to = restBytes
    }
    this.buffer.set(chunk, this.to)
    this.to += chunk.length
  }

  /** Cuts off what fills messages; with `all`, also the whole records that do not fill one. */
  private cut(all: boolean): CutPiece[] {
    const pieces: CutPiece[] = []
    for (;;) {
      const restBytes = this.to - this.from
      const isFull = restBytes >= this.maxBytes
      if (restBytes === 0 || !(isFull || all)) return pieces
      const boundary = lastRecordBoundary(
        this.buffer.subarray(this.from, this.from + Math.min(restBytes, this.maxBytes)),
      )
      if (boundary === 0 && !isFull) return pieces
      // A record longer than a message is cut in two: the reader puts it together again.
      pieces.push(this.take(boundary === 0 ? this.maxBytes : boundary))
    }
  }

  private take(sizeBytes: number): CutPiece {
    const bytes = this.buffer.subarray(this.from, this.from + sizeBytes)
    const piece = { position: this.position, bytes, generation: 0, sequence: 0, last: true, traceVersion: undefined }
    this.from += sizeBytes
    this.position += sizeBytes
    return piece
  }
}
