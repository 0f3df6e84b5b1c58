import { type Frame, type GoEvent, type GoReaderOptions, GoTraceReader, type Problem } from './gotrace/index.js'

/** A trace, or pieces of it cut anywhere: a file's bytes, a file stream, the body of an HTTP answer, … */
export type TraceBytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Thrown by a strict reading; what precedes the problem has been told. */
export class GoTraceError extends Error {
  constructor(readonly problem: Problem) {
    super(`byte ${problem.offsetBytes}: ${problem.detail}`)
    this.name = 'GoTraceError'
  }
}

/** The events of a trace, to be iterated once. What the accessors give belongs to the event told last. */
export class GoTrace implements AsyncIterable<GoEvent> {
  /** Everything else the reader knows. It is fed and moved by the iteration. */
  readonly reader: GoTraceReader
  private readonly strict: boolean
  private begun = false

  constructor(
    private readonly bytes: TraceBytes,
    options: GoReaderOptions,
  ) {
    this.reader = new GoTraceReader(options)
    this.strict = options.strict ?? false
  }

  /**
   * One object for all events, overwritten by the next step.
   * @throws GoTraceError when strict
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<GoEvent, void, undefined> {
    if (this.begun) throw new Error('a Go trace can be iterated once: call readGoTrace again')
    this.begun = true
    const { bytes, reader } = this
    const { event } = reader
    for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
      reader.push(chunk)
      while (reader.next()) yield event
      this.refuse()
    }
    reader.end()
    while (reader.next()) yield event
    this.refuse()
  }

  /** A string argument of the event. */
  string(id: number): string {
    return this.reader.string(id)
  }

  /** A stack of the event, leaf first; empty for 0. */
  stack(id: number): readonly Frame[] {
    return this.reader.stack(id)
  }

  /** Version of the format: that of the Go that wrote it, or of the last one before it that changed the format. */
  get version(): string | undefined {
    return this.reader.version
  }

  /** Origin of every `timeNs`, ns on the trace's clock; undefined before the first event. */
  get baseNs(): bigint | undefined {
    return this.reader.baseNs
  }

  /** What could not be read so far, the first hundred: reading went on at the next generation. */
  get problems(): readonly Problem[] {
    return this.reader.problems
  }

  private refuse(): void {
    const [problem] = this.reader.problems
    if (this.strict && problem !== undefined) throw new GoTraceError(problem)
  }
}

/**
 * Reads a Go execution trace (Go 1.11 and later): `for await (const event of readGoTrace(createReadStream('go.trace')))`. It holds one generation,
 * about a second of the traced program, at a time. For the last bit of speed use `GoTraceReader`, which hands out the same events without promises.
 */
export function readGoTrace(bytes: TraceBytes, options: GoReaderOptions = {}): GoTrace {
  return new GoTrace(bytes, options)
}
