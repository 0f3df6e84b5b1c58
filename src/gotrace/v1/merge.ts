import type { ByteWindow } from '../bytes.js'
import { Frontier } from '../frontier.js'
import { Broken } from '../problems.js'
import { sortLikeGo } from '../sort.js'
import { VarintReader } from '../varint.js'
import type { V1Record } from './record.js'
import type { V1Batch, V1Index } from './scanner.js'
import { V1 } from './spec.js'
import { ProcStream, SampleStream, type V1Stream } from './stream.js'

/** States in which the order of events needs to know a goroutine. System calls that block count as waiting. */
const GState = { dead: 0, runnable: 1, running: 2, waiting: 3 } as const

interface Goroutine {
  seq: number
  state: number
}

/**
 * What must be true of a goroutine before an event, and is true after it. Which goroutine: the one the event names first ('named'), or the one it
 * happened on. `seq`: position of the sequence number among the arguments, or the number itself, or 'any'. `step`: what the event adds to it.
 */
interface Rule {
  readonly named: boolean
  readonly seq: number | 'any' | 'first' | 'second'
  readonly from: number
  readonly to: number
  readonly step: 0 | 1
}

const { dead, runnable, running, waiting } = GState
const block: Rule = { named: false, seq: 'any', from: running, to: waiting, step: 0 }
const yields: Rule = { named: false, seq: 'any', from: running, to: runnable, step: 0 }
const start: Rule = { named: true, seq: 1, from: runnable, to: running, step: 1 }
const ready: Rule = { named: true, seq: 1, from: waiting, to: runnable, step: 1 }
const already: Rule = { named: true, seq: 'second', from: runnable, to: waiting, step: 1 }

/** Events not here may happen at any time. Facts from stateTransition in Go's tracev1/order.go. */
const rules: readonly (Rule | undefined)[] = (() => {
  const table: readonly (readonly [type: number, rule: Rule])[] = [
    [V1.GoCreate, { named: true, seq: 'first', from: dead, to: runnable, step: 1 }],
    [V1.GoWaiting, already],
    [V1.GoInSyscall, already],
    [V1.GoStart, start],
    [V1.GoStartLabel, start],
    [V1.GoStartLocal, { ...start, seq: 'any' }],
    [V1.GoUnblock, ready],
    [V1.GoSysExit, ready],
    [V1.GoUnblockLocal, { ...ready, seq: 'any' }],
    [V1.GoSysExitLocal, { ...ready, seq: 'any' }],
    [V1.GoSched, yields],
    [V1.GoPreempt, yields],
    ...[V1.GoBlock, V1.GoBlockSend, V1.GoBlockRecv, V1.GoBlockSelect, V1.GoBlockSync].map(
      (type) => [type, block] as const,
    ),
    ...[V1.GoBlockCond, V1.GoBlockNet, V1.GoBlockGC, V1.GoSleep, V1.GoSysBlock].map((type) => [type, block] as const),
  ]
  const byType: (Rule | undefined)[] = Array.from({ length: 64 }, () => undefined)
  for (const [type, rule] of table) byType[type] = rule
  return byType
})()

/**
 * One sequence out of the sequences of all Ps: again and again the earliest of those events that may happen, which keeps causes before effects
 * even where the clocks of CPUs differ a little.
 */
export class V1Merge {
  private readonly streams: V1Stream[]
  private readonly frontier = new Frontier()
  /** Streams whose next event may not happen yet: the first `heldCount`. */
  private readonly held: Int32Array
  private heldCount = 0
  /** Stream of the event told last, -1 = none. */
  private popped = -1
  private readonly goroutines = new Map<number, Goroutine>()
  private gcSeq = 0

  constructor(window: ByteWindow, index: V1Index) {
    const byP = new Map<number, V1Batch[]>()
    for (const batch of index.batches) {
      const batches = byP.get(batch.p)
      if (batches === undefined) byP.set(batch.p, [batch])
      else batches.push(batch)
    }
    this.streams = [...byP.values()].map((batches) => new ProcStream(window, batches))
    this.streams.push(new SampleStream(window, sortedSamples(window, index.samples)))
    this.frontier.reserve(this.streams.length)
    this.held = new Int32Array(this.streams.length)
    this.streams.forEach((events, stream) => {
      if (events.next()) this.hold(stream)
    })
  }

  /** The next event, valid until the next call; undefined at the end. @throws Broken when none of those left is possible */
  next(): V1Record | undefined {
    const { frontier, streams } = this
    this.release()
    if (frontier.size === 0) {
      if (this.heldCount === 0) return undefined
      const { place } = streams[this.held[0]!]!.head
      throw new Broken('bad_order', `none of the next events of ${this.heldCount} Ps is possible`, place)
    }
    const stream = frontier.heap[0]!
    frontier.remove(0)
    const { head } = streams[stream]!
    if (!this.happen(head)) throw new Broken('bad_order', 'two Ps claim the same goroutine', head.place)
    this.popped = stream
    return head
  }

  private hold(stream: number): void {
    this.held[this.heldCount++] = stream
  }

  /** Offers the streams whose turn it may be now: those held back, and the one that was told last. */
  private release(): void {
    if (this.popped >= 0 && this.streams[this.popped]!.next()) this.hold(this.popped)
    this.popped = -1
    const count = this.heldCount
    this.heldCount = 0
    for (let i = 0; i < count; i++) {
      const stream = this.held[i]!
      const { head } = this.streams[stream]!
      if (this.mayHappen(head)) {
        this.frontier.times[stream] = head.ticks
        this.frontier.insert(stream)
      } else this.hold(stream)
    }
  }

  private mayHappen(record: V1Record): boolean {
    if (record.type === V1.GCStart) return record.args[0] === this.gcSeq
    const rule = rules[record.type]
    if (rule === undefined) return true
    const goroutine = this.goroutines.get(rule.named ? record.args[0]! : record.goid)
    const seq = wantedSeq(rule, record)
    return (goroutine?.state ?? dead) === rule.from && (seq === -1 || (goroutine?.seq ?? 0) === seq)
  }

  private happen(record: V1Record): boolean {
    if (!this.mayHappen(record)) return false
    if (record.type === V1.GCStart) this.gcSeq++
    // Ids are not used again, so that nothing asks for an ended goroutine any more.
    if (record.type === V1.GoEnd) this.goroutines.delete(record.goid)
    const rule = rules[record.type]
    if (rule === undefined) return true
    const goid = rule.named ? record.args[0]! : record.goid
    const goroutine = this.goroutines.get(goid)
    if (goroutine === undefined) this.goroutines.set(goid, { seq: rule.step, state: rule.to })
    else {
      goroutine.seq += rule.step
      goroutine.state = rule.to
    }
    return true
  }
}

/** -1 = any. */
function wantedSeq(rule: Rule, record: V1Record): number {
  if (rule.seq === 'any') return -1
  if (rule.seq === 'first') return 0
  return rule.seq === 'second' ? 1 : record.args[rule.seq]!
}

function sortedSamples(window: ByteWindow, places: readonly number[]): readonly number[] {
  const reader = new VarintReader()
  const ticks = Float64Array.from(places, (place) => {
    reader.at(window.buf, window.index(place), window.buf.length)
    reader.read()
    return reader.read()
  })
  const order = Int32Array.from(places.keys())
  sortLikeGo(order, ticks, order.length)
  return Array.from(order, (i) => places[i]!)
}
