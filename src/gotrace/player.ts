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
import { noEvent, Shape, shapesOf, specs } from './spec.js'
import { VarintReader } from './varint.js'

// Taken out of their tables because this is hot: the engine folds constants of the same file, but not those it imports.
const { count: countMask, stack: hasStack, stackAt, names: hasNames } = Shape

/** Stands for the thread of a cursor that has not tried an event yet: the order must not know threads before they act. */
const unseen = new Thread(-2)

/** Where one thread's next event stands. Objects with plain fields: the engine reads those faster than elements of shared arrays. */
class Cursor {
  /** Type of the next event, index of its arguments, end of its batch. */
  type = 0
  pos = 0
  end = 0
  batchNo = -1
  thread = unseen
  constructor(
    readonly tid: number,
    readonly batches: readonly Batch[],
  ) {}
}

/**
 * Tells one generation's events in order: the next event of each thread waits in a heap by time; the earliest that the scheduler's
 * state allows is told. Decodes in place, straight into the one event.
 *
 * Hot, so numbers must not be boxed: what a call returned must not meet a local number in one variable (the engine would box both), and what is
 * kept in a field must be a small integer from the start.
 */
export class Player {
  private readonly frontier = new Frontier()
  private readonly samples: SampleQueue
  private shapes: Int32Array = shapesOf(26)
  private nsPerUnit = 64
  private buf: Uint8Array = new Uint8Array(0)
  /** By number of the thread in the frontier. */
  private cursors: Cursor[] = []
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
    this.shapes = shapesOf(minor)
    this.clock = clock
    this.nsPerUnit = clock.unitNs
    this.cursors = Array.from(groupByThread(tables.eventBatches), ([tid, batches]) => new Cursor(tid, batches))
    frontier.clear()
    frontier.reserve(this.cursors.length)
    this.samples.begin(clock)
    for (const [no, cursor] of this.cursors.entries()) if (this.readNext(no, cursor, 0)) frontier.insert(no)
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
    this.argsPos = this.cursors[frontier.heap[0]!]!.pos
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
    const { frontier, order, buf } = this
    const no = frontier.heap[heapIndex]!
    const cursor = this.cursors[no]!
    const { type } = cursor
    const shape = this.shapes[type]!
    if (cursor.thread === unseen) cursor.thread = order.thread(cursor.tid)
    const { thread } = cursor
    const { args } = event
    event.type = type
    event.timeNs = frontier.times[no]!
    event.tid = thread.tid
    event.p = thread.p.p
    event.goid = thread.g.goid
    event.from = 0
    event.to = 0
    let pos = (this.argsPos = cursor.pos)
    const count = shape & countMask
    for (let i = 0; i < count; i++) {
      let value = buf[pos++]!
      if (value >= 0x80) {
        const second = buf[pos++]!
        value = (value & 0x7f) | ((second & 0x7f) << 7)
        if (second >= 0x80) {
          const third = buf[pos++]!
          value |= (third & 0x7f) << 14
          if (third >= 0x80) {
            args[i] = this.readWide(buf, pos, value)
            pos = this.widePos
            continue
          }
        }
      }
      args[i] = value
    }
    if (pos > cursor.end) throw new Broken('bad_event', 'an event runs past the end of its batch', pos)
    // Ids are small; kept as the engine's integer it needs no box.
    const stackId = (event.stackId = (shape & hasStack) === 0 ? 0 : args[(shape >> stackAt) & 3]! | 0)
    if (!happen(order, thread, event)) return false
    if (stackId !== 0 && !this.tables.hasStack(stackId)) throw missing('stack', stackId)
    if ((shape & hasNames) !== 0) this.checkNames(shape, event)
    if (thread.tid === -1) {
      thread.p = noProc
      thread.g = noGoroutine
    }
    if (this.readNext(no, cursor, pos)) frontier.update(heapIndex)
    else frontier.remove(heapIndex)
    return true
  }

  /** A number of four bytes or more, of which the first three are `low`. Leaves the position behind it in `widePos`. */
  private readWide(buf: Uint8Array, pos: number, low: number): number {
    const fourth = buf[pos]!
    if (fourth < 0x80) {
      this.widePos = pos + 1
      return low | (fourth << 21)
    }
    let value = low + (fourth & 0x7f) * 0x200000
    let scale = 0x10000000
    for (let i = pos + 1; i < pos + 7; i++) {
      const byte = buf[i]!
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) {
        this.widePos = i + 1
        return value
      }
    }
    throw new Broken('bad_event', 'a number is longer than 64 bits', pos - 3)
  }

  /** Reads type and time of a thread's next event at index `from`, or in its next batch. False when it has none. */
  private readNext(no: number, cursor: Cursor, from: number): boolean {
    const { buf } = this
    const { times } = this.frontier
    let pos = from
    if (pos >= cursor.end) {
      const batch = nextBatch(cursor)
      if (batch === undefined) return false
      // As the engine's integers: offsets are doubles for it.
      pos = this.window.index(batch.startBytes) | 0
      cursor.end = this.window.index(batch.endBytes) | 0
      times[no] = this.clock.timeNs(batch.units)
    }
    const type = buf[pos++]!
    if (this.shapes[type] === noEvent) throw unknownEvent(type, pos - 1)
    let dt = buf[pos++]!
    if (dt >= 0x80) {
      const second = buf[pos++]!
      dt = (dt & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        const third = buf[pos++]!
        dt |= (third & 0x7f) << 14
        if (third >= 0x80) {
          times[no]! += Math.trunc(this.readWide(buf, pos, dt) * this.nsPerUnit)
          pos = this.widePos
          dt = 0
        }
      }
    }
    cursor.type = type
    cursor.pos = pos
    times[no]! += Math.trunc(dt * this.nsPerUnit)
    return true
  }

  private checkNames(shape: number, event: GoEvent): void {
    const string = event.args[(shape >> Shape.stringAt) & 3]!
    if ((shape & Shape.string) !== 0 && !this.tables.hasString(string)) throw missing('string', string)
    if ((shape & Shape.more) !== 0) this.checkMoreReferences(event)
  }

  private checkMoreReferences({ type, args }: GoEvent): void {
    const { stringArgs, stackArgs } = specs[type]!
    for (const i of stringArgs) if (!this.tables.hasString(args[i]!)) throw missing('string', args[i]!)
    for (const i of stackArgs) if (!this.tables.hasStack(args[i]!)) throw missing('stack', args[i]!)
  }
}

function missing(what: string, id: number): Broken {
  return new Broken('bad_event', `${what} ${id} is missing`)
}

function unknownEvent(type: number, index: number): Broken {
  const name = specs[type]?.name
  const what = name === undefined ? `event ${type} is unknown` : `event ${name} does not exist in this version`
  return new Broken('bad_event', what, index)
}

function nextBatch(cursor: Cursor): Batch | undefined {
  const { batches } = cursor
  do cursor.batchNo++
  while (cursor.batchNo < batches.length && batches[cursor.batchNo]!.endBytes === batches[cursor.batchNo]!.startBytes)
  return batches[cursor.batchNo]
}
