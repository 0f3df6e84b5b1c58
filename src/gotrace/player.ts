import { type Batch, groupByThread } from './batch.js'
import type { ByteWindow } from './bytes.js'
import type { TraceClock } from './clock.js'
import type { GoEvent } from './event.js'
import { Frontier } from './frontier.js'
import type { GenerationTables } from './generation.js'
import { happen } from './order/dispatch.js'
import { noGoroutine, noProc, type Order, Thread } from './order/state.js'
import { Broken } from './problems.js'
import { SampleQueue } from './samples.js'
import { argCounts, hasMoreRefs, specs, stackArgOf, stringArgOf } from './spec.js'
import { VarintReader } from './varint.js'

/** Stands for the thread of a cursor that has not tried an event yet: the order must not know threads before they act. */
const unseen = new Thread(-2)

/** Fields of a cursor. */
const cursorFields = 4
const posField = 1
const endField = 2
const batchField = 3

/**
 * Tells one generation's events in order: the next event of each thread waits in a heap by time; the earliest that the scheduler's
 * state allows is told. Decodes in place, straight into the one event.
 */
export class Player {
  private readonly frontier = new Frontier()
  private readonly samples: SampleQueue
  private argCount: Uint8Array = argCounts(26)
  private nsPerUnit = 64
  private buf: Uint8Array = new Uint8Array(0)
  /** Per thread of the generation, `cursorFields` numbers: type of its next event, index of its arguments, end of its batch, number of the batch. */
  private cursors = new Int32Array(64 * cursorFields)
  private tids: number[] = []
  private batches: Batch[][] = []
  private threads: Thread[] = []
  private widePos = 0
  /** Index of the arguments of the event told last. */
  private argsPos = 0
  private clock!: TraceClock

  constructor(
    private readonly window: ByteWindow,
    private readonly tables: GenerationTables,
    private readonly order: Order,
  ) {
    this.samples = new SampleQueue(tables)
  }

  /** Nothing is left to tell. */
  get exhausted(): boolean {
    return this.frontier.size === 0 && this.samples.empty && this.order.extraCount === 0
  }

  /** @throws Broken */
  begin(minor: number, clock: TraceClock): void {
    const { frontier, tables } = this
    this.buf = this.window.buf
    this.argCount = argCounts(minor)
    this.clock = clock
    this.nsPerUnit = clock.unitNs
    const groups = groupByThread(tables.eventBatches)
    this.tids = [...groups.keys()]
    this.batches = [...groups.values()]
    const threads = this.tids.length
    frontier.clear()
    frontier.reserve(threads)
    if (threads * cursorFields > this.cursors.length) this.cursors = new Int32Array(threads * cursorFields * 2)
    this.cursors.fill(0)
    this.threads = this.tids.map(() => unseen)
    this.samples.begin(clock)
    for (let cursor = 0; cursor < threads; cursor++) {
      this.cursors[cursor * cursorFields + batchField] = -1
      if (this.readNext(cursor, 0)) frontier.insert(cursor)
    }
  }

  /** Leaves the rest of the generation out. */
  stop(): void {
    this.frontier.clear()
    this.samples.clear()
    this.order.dropExtras()
  }

  /** Overwrites the event with the next one; false at the end of the generation. @throws Broken */
  next(event: GoEvent): boolean {
    const { frontier } = this
    this.buf = this.window.buf
    if (this.order.extraCount > 0) return this.order.tellExtra(event)
    if (frontier.size === 0) return !this.samples.empty && this.samples.tell(event)
    if (this.samples.timeNs < frontier.times[frontier.heap[0]!]!) return this.samples.tell(event)
    if (this.advance(0, event)) return true
    // The earliest may not happen yet: the first of the others, in order of time, that may. Clocks of threads differ a little.
    frontier.sort()
    for (let i = 1; i < frontier.size; i++) if (this.advance(i, event)) return true
    this.argsPos = this.cursors[frontier.heap[0]! * cursorFields + posField]!
    throw new Broken('bad_order', `none of the next events of ${frontier.size} threads is possible`)
  }

  /** Where the event told or tried last stands. */
  get index(): number {
    return this.argsPos
  }

  /** Argument `i` of the event told last, as the wire has it. */
  exactArg(i: number): bigint {
    const reader = new VarintReader(this.buf)
    reader.pos = this.argsPos
    for (let skipped = 0; skipped < i; skipped++) reader.read()
    return reader.readExact()
  }

  private advance(heapIndex: number, event: GoEvent): boolean {
    const { frontier, order } = this
    const cursor = frontier.heap[heapIndex]!
    const at = cursor * cursorFields
    const type = this.cursors[at]!
    let thread = this.threads[cursor]!
    if (thread === unseen) thread = this.threads[cursor] = order.thread(this.tids[cursor]!)
    event.type = type
    event.timeNs = frontier.times[cursor]!
    event.tid = thread.tid
    event.p = thread.p.p
    event.goid = thread.g.goid
    event.from = 0
    event.to = 0
    const pos = this.readArgs(at, type, event.args)
    const stackArg = stackArgOf[type]!
    // Ids are small; kept as the engine's integer it needs no box.
    event.stackId = stackArg < 0 ? 0 : event.args[stackArg]! | 0
    if (!happen(order, thread, event)) return false
    if (!this.tables.hasStack(event.stackId)) throw new Broken('bad_event', `stack ${event.stackId} is missing`)
    const stringArg = stringArgOf[type]!
    if (stringArg >= 0) this.checkString(event.args[stringArg]!)
    if (hasMoreRefs[type] === 1) this.checkMoreRefs(type, event)
    if (thread.tid === -1) {
      thread.p = noProc
      thread.g = noGoroutine
    }
    if (this.readNext(cursor, pos)) frontier.update(heapIndex)
    else frontier.remove(heapIndex)
    return true
  }

  /** Decodes the arguments of a thread's next event; returns where they end. */
  private readArgs(at: number, type: number, args: Float64Array): number {
    const { buf } = this
    const count = this.argCount[type]!
    let pos = (this.argsPos = this.cursors[at + posField]!)
    for (let i = 0; i < count; i++) {
      let value = buf[pos++]!
      if (value >= 0x80) {
        const second = buf[pos++]!
        value = (value & 0x7f) | ((second & 0x7f) << 7)
        if (second >= 0x80) {
          args[i] = this.readWide(buf, pos, value)
          pos = this.widePos
          continue
        }
      }
      args[i] = value
    }
    if (pos > this.cursors[at + endField]!)
      throw new Broken('bad_event', 'an event runs past the end of its batch', pos)
    return pos
  }

  /** A number of three bytes or more, of which the first two are `low`. Leaves the position behind it in `widePos`. */
  private readWide(buf: Uint8Array, pos: number, low: number): number {
    const third = buf[pos]!
    if (third < 0x80) {
      this.widePos = pos + 1
      return low | (third << 14)
    }
    let value = low + (third & 0x7f) * 0x4000
    let scale = 0x200000
    for (let i = pos + 1; i < pos + 8; i++) {
      const byte = buf[i]!
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) {
        this.widePos = i + 1
        return value
      }
    }
    throw new Broken('bad_event', 'a number is longer than 64 bits', pos)
  }

  /** Reads type and time of a thread's next event at index `from`, or in its next batch. False when it has none. */
  private readNext(cursor: number, from: number): boolean {
    const { buf, cursors } = this
    const { times } = this.frontier
    const at = cursor * cursorFields
    let pos = from
    let timeNs = times[cursor]!
    if (pos >= cursors[at + endField]!) {
      const batch = this.nextBatch(cursor)
      if (batch === undefined) return false
      pos = this.window.index(batch.startBytes)
      cursors[at + endField] = this.window.index(batch.endBytes)
      timeNs = this.clock.timeNs(batch.units)
    }
    const type = buf[pos++]!
    if (this.argCount[type] === 255) {
      const name = specs[type]?.name
      const what = name === undefined ? `event ${type} is unknown` : `event ${name} does not exist in this version`
      throw new Broken('bad_event', what, pos - 1)
    }
    let dt = buf[pos++]!
    if (dt >= 0x80) {
      const second = buf[pos++]!
      dt = (dt & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        dt = this.readWide(buf, pos, dt)
        pos = this.widePos
      }
    }
    cursors[at] = type
    cursors[at + posField] = pos
    times[cursor] = timeNs + Math.trunc(dt * this.nsPerUnit)
    return true
  }

  private nextBatch(cursor: number): Batch | undefined {
    const batches = this.batches[cursor]!
    const field = cursor * cursorFields + batchField
    let no = this.cursors[field]! + 1
    while (no < batches.length && batches[no]!.endBytes === batches[no]!.startBytes) no++
    this.cursors[field] = no
    return batches[no]
  }

  private checkString(id: number): void {
    if (!this.tables.hasString(id)) throw new Broken('bad_event', `string ${id} is missing`)
  }

  private checkMoreRefs(type: number, event: GoEvent): void {
    const { stringArgs, stackArgs } = specs[type]!
    for (const i of stringArgs) this.checkString(event.args[i]!)
    for (const i of stackArgs)
      if (!this.tables.hasStack(event.args[i]!)) throw new Broken('bad_event', `stack ${event.args[i]!} is missing`)
  }
}
