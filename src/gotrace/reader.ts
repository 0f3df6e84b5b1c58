import { ByteWindow } from './bytes.js'
import { TraceClock } from './clock.js'
import { GoEvent } from './event.js'
import { type FramedGeneration, Framer, type Frame as StreamFrame } from './framer.js'
import { type Frame, GenerationTables } from './generation.js'
import { Order } from './order/state.js'
import { Player } from './player.js'
import { Broken, type Problem, ProblemLog, type ProblemName } from './problems.js'
import { type GoReaderState, initialState } from './readerState.js'
import { Ev } from './spec.js'
import { V1Player } from './v1/player.js'
import type { V1Index } from './v1/scanner.js'
import { isV1 } from './v1/spec.js'
import { verifyReferences } from './verify.js'

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
  private readonly tables: GenerationTables
  private readonly order: Order
  private readonly v2Player: Player
  private player: Pick<Player, 'exhausted' | 'index' | 'next' | 'stop' | 'exactArg'>
  private readonly state: GoReaderState
  private clock: TraceClock | undefined
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
    const { consumedBytes, minor, lastGen, baseNs } = this.state
    this.window = new ByteWindow(consumedBytes)
    this.framer = new Framer(this.window, { minor, lastGen, fresh: lastGen === 0 })
    this.tables = new GenerationTables(this.window)
    this.order = new Order(this.tables)
    this.order.load(this.state.order)
    this.player = this.v2Player = new Player(this.window, this.tables, this.order)
    this.lastTimeNs = this.state.lastTimeNs
    this.lastOrderedNs = this.state.lastOrderedNs
    if (baseNs !== undefined) this.clock = new TraceClock(baseNs)
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
    return this.state.baseNs
  }

  /** 0 for the first trace in the stream, +1 for each further one behind it. */
  get traceIndex(): number {
    return this.state.traceIndex
  }

  /** What could not be read: the first hundred. */
  get problems(): readonly Problem[] {
    return this.log.list
  }

  /** Number of problems by name, also of those beyond what `problems` keeps. */
  get problemCounts(): ReadonlyMap<ProblemName, number> {
    return this.log.counts
  }

  get generationsRead(): number {
    return this.state.generationsRead
  }

  /** Stream offset of the first byte not yet turned into events: where the current generation begins, or, after its last event, ends. */
  get consumedBytes(): number {
    return this.current !== undefined && this.player.exhausted ? this.current.endBytes : this.state.consumedBytes
  }

  /** True when every generation read so far has been delivered completely: the moment to `save`. */
  get atGenerationBoundary(): boolean {
    return this.player.exhausted
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
    return this.tables.string(id)
  }

  /** A string of the event's generation, byte for byte. */
  stringBytes(id: number): Uint8Array {
    return this.tables.stringBytes(id)
  }

  /** A stack of the event's generation, leaf first; empty for 0. */
  stack(id: number): readonly Frame[] {
    return this.tables.stack(id)
  }

  /** Argument `i` of the event, exact also beyond 2^53 (for arguments the event has on the wire). */
  exactArg(i: number): bigint {
    const value = this.event.args[i]!
    return value <= Number.MAX_SAFE_INTEGER ? BigInt(value) : this.player.exactArg(i)
  }

  /** @throws Error inside a generation */
  save(): GoReaderState {
    if (!this.atGenerationBoundary) throw new Error('a reader can be saved between generations only')
    const { consumedBytes } = this
    const lastGen = this.current?.gen ?? this.state.lastGen
    const { lastTimeNs, lastOrderedNs } = this
    return { ...this.state, consumedBytes, lastGen, lastTimeNs, lastOrderedNs, order: this.order.save() }
  }

  private play(event: GoEvent): boolean {
    try {
      if (!this.player.next(event)) return false
    } catch (error) {
      this.giveUp(error, 'the rest of ')
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
    this.lastOrderedNs = this.clock?.zeroNs ?? Number.NEGATIVE_INFINITY
    return false
  }

  private beginGeneration(frame: FramedGeneration): boolean {
    this.current = frame
    this.window.pinned = true
    let startNs: number
    try {
      startNs = frame.v1 === undefined ? this.loadV2(frame) : this.loadV1(frame.v1)
    } catch (error) {
      this.giveUp(error, '')
      this.finishGeneration()
      return false
    }
    this.state.generationsRead++
    this.tellSync(frame.gen, startNs)
    return true
  }

  private loadV2(frame: FramedGeneration): number {
    const { state, tables, window } = this
    this.player = this.v2Player
    tables.load(frame, state.minor)
    if (!frame.proven) verifyReferences(window, tables, state.minor)
    if (this.clock === undefined) {
      this.startClock(TraceClock.startingAt(tables.firstUnits, tables.unitsPerSecond))
      this.lastOrderedNs = this.clock!.zeroNs
    }
    this.clock!.setFrequency(tables.unitsPerSecond)
    if (frame.fresh) this.order.reset()
    this.order.beginGeneration(frame.gen)
    this.v2Player.begin(state.minor, this.clock!)
    return this.clock!.timeNs(tables.firstUnits)
  }

  /** The sync before a v1 trace is 1 ns before its first event, which is at 0. */
  private loadV1(index: V1Index): number {
    if (this.clock === undefined) this.startClock(new TraceClock(0n))
    this.order.reset()
    this.lastOrderedNs = Number.NEGATIVE_INFINITY
    const { zeroNs } = this.clock!
    const player = new V1Player(this.window, this.tables, index, this.state.minor, zeroNs)
    this.player = player
    const detail = `the trace was cut off: the stacks of ${player.stackless} events are missing`
    if (player.stackless > 0) this.note({ name: 'truncated', offsetBytes: this.current!.endBytes, detail })
    return zeroNs - 1
  }

  private startClock(clock: TraceClock): void {
    this.clock = clock
    this.state.baseNs = clock.baseNs
  }

  private finishGeneration(): void {
    if (this.current !== undefined) {
      this.state.consumedBytes = this.current.endBytes
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
    this.tables.clear()
    this.tellSync(this.state.lastGen, this.lastTimeNs)
    this.state.syncs = 0
  }

  private tellSync(gen: number, timeNs: number): void {
    const { event, state, tables } = this
    const { snapshot } = tables
    Object.assign(event, { type: Ev.Sync, gen, timeNs, tid: -1, p: -1, goid: -1, stackId: 0, from: 0, to: 0 })
    event.args[0] = ++state.syncs
    this.lastTimeNs = timeNs
    event.orderedNs = this.lastOrderedNs = timeNs > this.lastOrderedNs ? timeNs : this.lastOrderedNs + 1
    event.clock =
      snapshot === undefined
        ? undefined
        : {
            traceNs: this.clock!.timeNs(snapshot.units),
            monotonicNs: snapshot.monotonicNs,
            wallNs: snapshot.wallNs,
          }
  }

  /** Leaves out the rest of the current generation, and lets the next one start from nothing. */
  private giveUp(error: unknown, part: string): void {
    if (!(error instanceof Broken)) throw error
    const { gen, startBytes, endBytes, proven, v1 } = this.current!
    // Before Go 1.26 nothing marks the end of a trace: a last generation that lacks something was cut off.
    const cutOff = !proven && this.window.ended && endBytes === this.window.end
    const index = error.index >= 0 ? error.index : error.problem === 'bad_generation' ? -1 : this.player.index
    this.note({
      name: cutOff ? 'truncated' : error.problem,
      offsetBytes: index < 0 ? startBytes : index + this.window.base,
      detail: `${part}${v1 === undefined ? `generation ${gen}` : 'the trace'} is left out: ${error.message}`,
    })
    this.player.stop()
    this.order.reset()
  }

  private note(problem: Problem): void {
    this.log.note(problem)
    if (this.strict) this.halted = true
  }
}
