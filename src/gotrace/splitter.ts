import { readTraceHeader } from './batch.js'
import { ByteWindow } from './bytes.js'
import { Framer } from './framer.js'

/** A piece of a trace that a reader can start at, once it knows the trace's version. */
export interface Generation {
  /** Generation number; 0 for bytes that are no whole generation. */
  readonly gen: number
  /** False for bytes between generations that are damaged, cut off, or no trace at all: shipped all the same, to be looked at later. */
  readonly whole: boolean
  readonly offsetBytes: number
  readonly bytes: Uint8Array
}

/**
 * Cuts a stream of trace bytes into generations without decoding events. The first generation of a trace includes the trace's header. The bytes
 * of all pieces, one after the other, are the input.
 */
export class GenerationSplitter {
  private readonly window = new ByteWindow(0)
  private readonly framer = new Framer(this.window, { minor: 0, lastGen: 0, fresh: true })
  /** Stream offset behind the last piece given out. */
  private given = 0
  private readonly ready: Generation[] = []

  /** Copies the bytes. */
  push(chunk: Uint8Array): void {
    this.window.push(chunk)
  }

  end(): void {
    this.window.ended = true
  }

  /** The next piece; undefined when more bytes are needed or, after `end`, there are none left. */
  next(): Generation | undefined {
    while (this.ready.length === 0) {
      const frame = this.framer.next()
      if (frame === undefined) {
        this.atEndOfBytes()
        return this.ready.shift()
      }
      if (frame.kind !== 'generation') continue
      const bare = this.given + readTraceHeader.sizeBytes === frame.startBytes
      const withHeader = bare && !Number.isNaN(readTraceHeader(this.window.buf, this.window.index(this.given)))
      if (!withHeader) this.give(0, frame.startBytes)
      this.give(frame.gen, frame.endBytes)
    }
    return this.ready.shift()
  }

  private atEndOfBytes(): void {
    if (this.window.ended) this.give(0, this.window.end)
    // Damaged bytes would pile up while the framer searches; a header, though, waits for its generation.
    else if (this.framer.searching) this.give(0, this.framer.neededFrom)
    this.window.release(this.given)
  }

  private give(gen: number, endBytes: number): void {
    if (endBytes <= this.given) return
    const { buf } = this.window
    const bytes = buf.slice(this.window.index(this.given), this.window.index(endBytes))
    this.ready.push({ gen, whole: gen !== 0, offsetBytes: this.given, bytes })
    this.given = endBytes
  }
}
