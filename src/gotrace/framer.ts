import { type Batch, readBatchHeader, readTraceHeader, startsBatch } from './batch.js'
import type { ByteWindow } from './bytes.js'
import { type Frame, FrameQueue, type FramerState } from './frames.js'
import { Broken, type ProblemName } from './problems.js'
import { findBatch } from './resync.js'
import { Ev, maxGenerationBytes, versions } from './spec.js'
import { V1Scanner } from './v1/scanner.js'
import { isV1 } from './v1/spec.js'

/** Cuts a stream into trace headers and generations by walking over the batches' sizes; it never looks into their data. */
export class Framer {
  /** Stream offset of the next byte to look at. */
  private pos: number
  private mode: 'header' | 'batch' | 'search' | 'v1' | 'searchHeader' | 'stopped'
  private v1: V1Scanner | undefined
  private readonly frames: FrameQueue

  constructor(
    private readonly window: ByteWindow,
    private readonly state: FramerState,
    private readonly limitBytes = maxGenerationBytes,
  ) {
    this.pos = window.start
    this.frames = new FrameQueue(state)
    this.mode = state.minor === 0 ? 'header' : 'batch'
    if (isV1(state.minor) && state.lastGen === 0) this.beginV1()
  }

  /** Bytes before this stream offset are not needed by the framer any more. */
  get neededFrom(): number {
    if (this.mode === 'v1') return this.v1!.startBytes
    const { open } = this.frames
    return open !== undefined && !open.skip ? open.startBytes : this.pos
  }

  /** Damage was met, and what follows it belongs to no generation until the next one begins. */
  get searching(): boolean {
    return this.mode.startsWith('search') || this.mode === 'stopped' || this.frames.open?.skip === true
  }

  /** The next frame; undefined when more bytes are needed, or nothing more can come. */
  next(): Frame | undefined {
    while (this.frames.empty) if (!this.step()) return undefined
    return this.frames.shift()
  }

  private step(): boolean {
    if (this.mode === 'header') return this.readHeader()
    if (this.mode === 'batch') return this.readBatch()
    if (this.mode === 'search') return this.search()
    if (this.mode === 'v1') return this.readV1()
    if (this.mode === 'searchHeader') return this.searchHeader()
    return false
  }

  private readHeader(): boolean {
    const { window } = this
    const available = window.end - window.base - window.index(this.pos)
    if (available < readTraceHeader.sizeBytes) {
      if (!window.ended) return false
      if (available === 0) this.stop('not_a_trace', 'the input is empty')
      else this.stop('not_a_trace', `the input has only ${available} bytes and is not a Go execution trace`)
      return true
    }
    const minor = readTraceHeader(window.buf, window.index(this.pos))
    if (Number.isNaN(minor)) {
      this.stop('not_a_trace', 'the input does not begin with the header of a Go execution trace ("go 1.NN trace")')
    } else if (!isV1(minor) && !(versions as readonly number[]).includes(minor)) {
      const old = minor < 11 ? 'written by Go 1.10 or older' : 'a version this program does not know'
      this.stop(
        'unsupported_version',
        `the trace says it is of version "go 1.${minor}", ${old}: readable are traces of Go 1.11 to 1.26`,
      )
    } else {
      Object.assign(this.state, { minor, lastGen: 0, fresh: true })
      this.frames.header(minor, this.pos)
      this.pos += readTraceHeader.sizeBytes
      this.mode = 'batch'
      if (isV1(minor)) this.beginV1()
    }
    return true
  }

  private beginV1(): void {
    this.mode = 'v1'
    this.v1 = new V1Scanner(this.window, this.state.minor, this.pos)
  }

  /** A trace of format v1 ends where the stream or the next trace says so, and can only be read as a whole. */
  private readV1(): boolean {
    const scanner = this.v1!
    try {
      const outcome = scanner.scan()
      if (outcome === 'more') return false
      this.mode = outcome === 'header' ? 'header' : 'stopped'
      this.frames.begin(1, scanner.startBytes)
      this.pos = scanner.pos
      this.frames.close(this.pos, true, scanner.index)
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      this.pos = scanner.pos
      this.mode = 'searchHeader'
      this.frames.drop(error.problem, this.pos, `the trace is left out: ${error.message}`)
    }
    this.v1 = undefined
    return true
  }

  private searchHeader(): boolean {
    const { window } = this
    const last = window.end - window.base - readTraceHeader.sizeBytes
    for (let i = window.index(this.pos); i <= last; i++) {
      this.pos = i + window.base
      if (window.buf[i] !== 0x67 || Number.isNaN(readTraceHeader(window.buf, i))) continue
      this.mode = 'header'
      return true
    }
    return false
  }

  private readBatch(): boolean {
    const { window, state } = this
    const index = window.index(this.pos)
    const limit = window.end - window.base
    if (index >= limit) return this.atEnd()
    const byte = window.buf[index]!
    if (byte === 0x67) return this.readHeaderAgain(index, limit)
    if (byte === Ev.EndOfGeneration && state.minor >= 26) return this.endGeneration()
    if (!startsBatch(byte, state.minor)) return this.damaged(`byte ${byte} stands where a batch should begin`)
    const batch = readBatchHeader(window.buf, index, limit, window.base)
    if (batch === undefined) return window.ended ? this.cut(undefined) : false
    if (typeof batch === 'string') return this.damaged(batch)
    if (this.frames.open?.gen !== batch.gen && !this.changeGeneration(batch)) return true
    if (this.isTooLarge(batch)) return true
    if (batch.endBytes > window.end) return window.ended ? this.cut(batch) : false
    if (this.frames.open?.skip === false) this.frames.open.batches.push(batch)
    this.pos = batch.endBytes
    return true
  }

  /** A batch of another generation than the open one: closes that and opens the batch's. False when the batch was refused. */
  private changeGeneration(batch: Batch): boolean {
    const { state } = this
    const last = this.frames.open?.gen ?? state.lastGen
    if (last !== 0 && batch.gen < last + (this.frames.open === undefined ? 1 : 0))
      return !this.damaged(`a batch of generation ${batch.gen} follows generation ${last}`)
    if (this.frames.open !== undefined && state.minor < 26) this.frames.close(this.pos, batch.gen === last + 1)
    else if (this.frames.open !== undefined)
      this.frames.drop('bad_generation', this.pos, `generation ${last} has no end mark`)
    if (last !== 0 && batch.gen > last + 1) {
      state.fresh = true
      const missing =
        batch.gen === last + 2 ? `generation ${last + 1} is` : `generations ${last + 1} to ${batch.gen - 1} are`
      this.frames.problem('missing_generation', this.pos, `${missing} missing`)
    }
    this.frames.begin(batch.gen, this.pos)
    // A generation must be handed out before the stream is read further: come back for this batch.
    return this.frames.empty
  }

  /** A generation is held until its end. One that does not end is given up, and what is left of it is skipped. */
  private isTooLarge({ gen, endBytes }: Batch): boolean {
    const { open } = this.frames
    if (open === undefined || open.skip || endBytes - open.startBytes <= this.limitBytes) return false
    this.frames.drop('bad_generation', this.pos, `generation ${gen} has more than ${this.limitBytes} bytes`)
    this.frames.begin(gen, this.pos, true)
    return true
  }

  private endGeneration(): boolean {
    if (this.frames.open === undefined) return this.damaged('an end of generation stands where none is open')
    this.pos++
    this.frames.close(this.pos, true)
    return true
  }

  /** A header where a batch could begin: traces one after the other in one stream. */
  private readHeaderAgain(index: number, limit: number): boolean {
    if (index + readTraceHeader.sizeBytes > limit) return this.window.ended ? this.cut(undefined) : false
    if (Number.isNaN(readTraceHeader(this.window.buf, index)))
      return this.damaged('byte 103 stands where a batch should begin')
    this.closeAtEnd()
    this.mode = 'header'
    return true
  }

  private atEnd(): boolean {
    if (!this.window.ended) return false
    if (this.frames.open === undefined && this.state.lastGen === 0 && this.state.fresh)
      this.frames.problem('truncated', this.pos, 'the trace ends before its first generation')
    this.closeAtEnd()
    this.mode = 'stopped'
    return true
  }

  private closeAtEnd(): void {
    const { open } = this.frames
    if (open === undefined) return
    if (this.state.minor < 26) this.frames.close(this.pos, false)
    else this.frames.drop('truncated', this.pos, `the trace ends inside generation ${open.gen}, which is left out`)
  }

  /** The stream ends inside a batch: of the open generation when `batch` could be read that far. */
  private cut(batch: Batch | undefined): boolean {
    const gen = batch?.gen ?? this.frames.open?.gen ?? this.state.lastGen + 1
    if (batch === undefined && this.state.minor < 26 && this.frames.open !== undefined)
      this.frames.close(this.pos, false)
    this.frames.drop('truncated', this.pos, `the trace ends inside a batch of generation ${gen}`)
    this.mode = 'stopped'
    return true
  }

  /** What was framed before the damage may be a whole generation: its references will tell. */
  private damaged(detail: string): boolean {
    if (this.state.minor < 26) this.frames.close(this.pos, false)
    this.frames.drop('bad_batch', this.pos, `${detail}: reading goes on at the next generation that can be found`)
    this.pos++
    this.mode = 'search'
    return true
  }

  private search(): boolean {
    const { window, state } = this
    const limit = window.end - window.base
    const { found, index } = findBatch(
      window.buf,
      window.index(this.pos),
      limit,
      state.minor,
      state.lastGen,
      window.ended,
    )
    this.pos = index + window.base
    if (!found) return false
    this.mode = 'batch'
    const batch = readBatchHeader(window.buf, index, limit, window.base)
    // Whether the beginning of this generation got lost with the damage cannot be known: wait for the next one.
    if (typeof batch === 'object') this.frames.begin(batch.gen, this.pos, true)
    return true
  }

  private stop(name: ProblemName, detail: string): void {
    this.frames.problem(name, this.pos, detail)
    this.mode = 'stopped'
  }
}
