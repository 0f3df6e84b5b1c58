import { ByteWindow } from './bytes.js'
import { GoEvent } from './event.js'
import { Framer } from './framer.js'
import type { FramedGeneration, Frame as StreamFrame } from './frames.js'
import type { Frame } from './generation.js'
import { Broken, type Problem, ProblemLog, type ProblemName } from './problems.js'
import { type GoReaderState, initialState } from './readerState.js'
import { Stage } from './stage.js'
import { isV1 } from './v1/spec.js'
import { asInteger } from './varint.js'

export interface GoReaderOptions {
  /** Stop at the first problem. Without it, reading goes on at the next generation that can be found. */
  readonly strict?: boolean
}

/**
 * Reads Go execution traces from bytes that arrive in pieces of any size. Of format v2 (Go 1.22 and later) it holds one generation, about a
 * second of the traced program, at a time. A trace of format v1 (Go 1.11 to 1.21) has its names and its clock at the end: it is held whole, is one
 * generation, and is told when its end has been pushed. Nothing in the input makes it throw; what cannot be read ends up in `problems`. The events
 * that precede a contradiction inside a generation have been delivered when it is found; a generation known to be cut off is left out whole.
 */
export class GoTraceReader {
  readonly event = new GoEvent()
  private readonly log = new ProblemLog()
  private readonly strict: boolean
  private readonly window: ByteWindow
  private readonly framer: Framer
  private readonly stage: Stage
  private readonly state: GoReaderState
  private current: FramedGeneration | undefined
  /** A header that must wait until the trace before it has been closed. */
  private heldFrame: StreamFrame | undefined
  // Not in `state`: initialised as fractions so that the engine keeps them as plain doubles.
  private lastTimeNs = 0.5
  private lastOrderedNs = 0.5
  private halted = false
  private closed = false

  constructor(options: GoReaderOptions = {}, resumeFrom?: GoReaderState) {
    this.strict = options.strict ?? false
    this.state = resumeFrom === undefined ? initialState() : structuredClone(resumeFrom)
    const { consumedBytes, minor, lastGen } = this.state
    this.window = new ByteWindow(consumedBytes)
    this.framer = new Framer(this.window, { minor, lastGen, fresh: lastGen === 0 })
    this.stage = new Stage(this.window, this.state)
    this.lastTimeNs = this.state.lastTimeNs
    this.lastOrderedNs = this.state.lastOrderedNs
  }

  /** Goes on where `state` was saved: the next bytes to push are those from `state.consumedBytes` on. */
  static restore(state: GoReaderState, options: GoReaderOptions = {}): GoTraceReader {
    return new GoTraceReader(options, state)
  }

  /** '1.11', '1.19', '1.21' (format v1), '1.22', '1.23', '1.25' or '1.26'; undefined before the header has been read. */
  get version(): string | undefined {
    return this.state.minor === 0 ? undefined : `1.${this.state.minor}`
  }

  /** Whether `tid` is the system's id of the thread. In format v1 it is a small number of the runtime's own. */
  get threadsAreTids(): boolean {
    return !isV1(this.state.minor)
  }

  /** Whether times are those of the system's monotonic clock (on Linux). In format v1 they count from the first event. */
  get clockIsMonotonic(): boolean {
    return !isV1(this.state.minor)
  }

  /** Origin of every `timeNs`: a whole second on the trace's clock (on Linux CLOCK_MONOTONIC), set by the first generation. */
  get baseNs(): bigint | undefined {
    return this.stage.clock?.baseNs
  }

  /** 0 for the first trace in the stream, +1 for each further one behind it. */
  get traceIndex(): number {
    return this.state.traceIndex
  }

  /**
   * Number of the unbroken piece of trace that the event belongs to. It grows where what follows does not follow: with another trace, and behind
   * a generation that was left out whole or in part.
   */
  get pieceIndex(): number {
    return this.state.pieceIndex
  }

  /** What could not be read: the first hundred. */
  get problems(): readonly Problem[] {
    return this.log.list
  }

  /** Number of problems by name, also of those beyond what `problems` keeps. */
  get problemCounts(): ReadonlyMap<ProblemName, number> {
    return this.log.counts
  }

  /** Sum of `problemCounts`, cheap enough to look at after every event. */
  get problemTotal(): number {
    return this.log.total
  }

  /** Threads that write events in the event's generation, by their names in the trace. */
  get threads(): ReadonlySet<number> {
    return new Set(this.stage.tables.eventBatches.map(({ tid }) => tid))
  }

  get generationsRead(): number {
    return this.state.generationsRead
  }

  /** Stream offset of the first byte not yet turned into events: where the current generation begins, or, after its last event, ends. */
  get consumedBytes(): number {
    return this.current !== undefined && this.stage.player.exhausted ? this.current.endBytes : this.state.consumedBytes
  }

  /** True when every generation read so far has been delivered completely: the moment to `save`. */
  get atGenerationBoundary(): boolean {
    return this.stage.player.exhausted
  }

  /** Copies the bytes. */
  push(chunk: Uint8Array): void {
    this.window.push(chunk)
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.window.ended = true
  }

  /** Advances `event`. False: more bytes are needed, or, after `end`, there is nothing more. */
  next(): boolean {
    const { event } = this
    while (!this.halted) {
      if (this.current !== undefined) {
        if (this.play(event)) return true
        this.finishGeneration()
      }
      const frame = this.heldFrame ?? this.framer.next()
      this.heldFrame = undefined
      if (frame === undefined) return this.atEndOfBytes()
      if (this.handle(frame)) return true
    }
    return false
  }

  /** A string of the event's generation. */
  string(id: number): string {
    return this.stage.tables.string(id)
  }

  /** A string of the event's generation, byte for byte. */
  stringBytes(id: number): Uint8Array {
    return this.stage.tables.stringBytes(id)
  }

  /** A stack of the event's generation, leaf first; empty for 0. */
  stack(id: number): readonly Frame[] {
    return this.stage.tables.stack(id)
  }

  /** Argument `i` of the event, exact also beyond 2^53 (for arguments the event has on the wire). */
  exactArg(i: number): bigint {
    const value = this.event.args[i]!
    return value <= Number.MAX_SAFE_INTEGER ? BigInt(value) : this.stage.player.exactArg(i)
  }

  /** @throws Error inside a generation */
  save(): GoReaderState {
    if (!this.atGenerationBoundary) throw new Error('a reader can be saved between generations only')
    const { baseNs, consumedBytes } = this
    const lastGen = this.current?.gen ?? this.state.lastGen
    const { lastTimeNs, lastOrderedNs } = this
    return { ...this.state, baseNs, consumedBytes, lastGen, lastTimeNs, lastOrderedNs, order: this.stage.order.save() }
  }

  private play(event: GoEvent): boolean {
    try {
      if (!this.stage.player.next(event)) return false
    } catch (error) {
      this.giveUp(error, 'the rest of ')
      this.state.cutShort = true
      return false
    }
    const { timeNs } = event
    this.lastTimeNs = timeNs
    if (event.clock !== undefined) event.clock = undefined
    event.orderedNs = this.lastOrderedNs = timeNs > this.lastOrderedNs ? timeNs : this.lastOrderedNs + 1
    return true
  }

  private handle(frame: StreamFrame): boolean {
    if (frame.kind === 'problem') {
      this.note(frame.problem)
      return false
    }
    if (frame.kind === 'generation') return this.beginGeneration(frame)
    const { state } = this
    if (state.syncs > 0) {
      this.heldFrame = frame
      this.closeTrace()
      return true
    }
    if (state.minor !== 0) state.traceIndex++
    state.minor = frame.minor
    state.lastGen = 0
    state.consumedBytes = this.framer.neededFrom
    this.lastOrderedNs = this.stage.clock?.zeroNs ?? Number.NEGATIVE_INFINITY
    return false
  }

  private beginGeneration(frame: FramedGeneration): boolean {
    const { stage, state } = this
    this.current = frame
    this.window.pinned = true
    let startNs: number
    try {
      startNs = stage.load(frame, state.minor)
    } catch (error) {
      this.giveUp(error, '')
      this.finishGeneration()
      return false
    }
    if (frame.v1 === undefined) this.lastOrderedNs = Math.max(this.lastOrderedNs, stage.clock!.zeroNs)
    else this.beginV1(frame.endBytes)
    state.generationsRead++
    this.notePiece(frame.gen)
    this.tellSync(frame.gen, startNs)
    return true
  }

  private notePiece(gen: number): void {
    const { state } = this
    const follows = state.toldTrace === state.traceIndex && gen === state.toldGen + 1 && !state.cutShort
    if (!follows) state.pieceIndex++
    state.toldTrace = state.traceIndex
    state.toldGen = gen
    state.cutShort = false
  }

  private beginV1(endBytes: number): void {
    this.lastOrderedNs = Number.NEGATIVE_INFINITY
    const { stackless } = this.stage
    const detail = `the trace was cut off: the stacks of ${stackless} events are missing`
    if (stackless > 0) this.note({ name: 'truncated', offsetBytes: endBytes, detail })
  }

  private finishGeneration(): void {
    if (this.current !== undefined) {
      this.state.consumedBytes = asInteger(this.current.endBytes)
      this.state.lastGen = this.current.gen
      this.window.release(this.current.endBytes)
    }
    this.current = undefined
    this.window.pinned = false
  }

  private atEndOfBytes(): boolean {
    this.window.release(this.framer.neededFrom)
    if (!this.window.ended || this.closed) return false
    this.closed = true
    if (this.state.syncs === 0) return false
    this.closeTrace()
    return true
  }

  /** The last event of every trace is a Sync without a clock, as in internal/trace. */
  private closeTrace(): void {
    this.stage.tables.clear()
    this.tellSync(this.state.lastGen, this.lastTimeNs)
    this.state.syncs = 0
  }

  private tellSync(gen: number, timeNs: number): void {
    this.stage.tellSync(this.event, gen, timeNs, ++this.state.syncs)
    this.lastTimeNs = timeNs
    this.event.orderedNs = this.lastOrderedNs = timeNs > this.lastOrderedNs ? timeNs : this.lastOrderedNs + 1
  }

  /** Leaves out the rest of the current generation, and lets the next one start from nothing. */
  private giveUp(error: unknown, part: string): void {
    if (!(error instanceof Broken)) throw error
    this.note(this.stage.problem(error, this.current!, part))
    this.stage.clear()
  }

  private note(problem: Problem): void {
    this.log.note(problem)
    if (this.strict) this.halted = true
  }
}
