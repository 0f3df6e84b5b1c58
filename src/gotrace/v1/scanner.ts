import { readTraceHeader } from '../batch.js'
import type { ByteWindow } from '../bytes.js'
import { Broken } from '../problems.js'
import { maxTraceBytes, V1, v1Exists, v1Names, v1NumberCount } from './spec.js'

/** A run of events written on one P. Offsets are stream offsets. */
export interface V1Batch {
  /** -1 = written without a P. */
  readonly p: number
  /** Time the batch began. */
  readonly ticks: number
  /** Of its first event. */
  readonly startBytes: number
  endBytes: number
}

/** Where everything stands in a trace of format v1; pairs and lists hold stream offsets. */
export interface V1Index {
  readonly batches: V1Batch[]
  /** Id and offset of the length, alternately. */
  readonly strings: number[]
  /** Id and offset of the number of frames, alternately. */
  readonly stacks: number[]
  /** Offset of the first number of each CPU sample. */
  readonly samples: number[]
  /** Goroutines that run timers (before Go 1.14). */
  readonly timerGoids: Set<number>
  /** 0 = the trace has not said yet. */
  ticksPerSecond: number
}

/** Go's own limits, or the buffer an event must fit into. They bound what a damaged file can make us wait for. */
const maxStringBytes = 1_000_000
const maxArgsBytes = 65_536
const maxFrames = 1000
/** The two bits for the number of arguments say 3 when the arguments' length in bytes comes first. */
const lengthFirst = 3

/** 'more': bytes are missing. 'whole': the stream ends with the trace. 'header': another trace begins at `pos`. */
type Outcome = 'more' | 'whole' | 'header'

/**
 * Walks over the records of a v1 trace as bytes arrive, and notes where its batches, strings and stacks are. Checks all that the later passes
 * rely on: every event lies in its batch and has as many numbers as it must.
 */
export class V1Scanner {
  readonly index: V1Index = {
    batches: [],
    strings: [],
    stacks: [],
    samples: [],
    timerGoids: new Set(),
    ticksPerSecond: 0,
  }
  /** Stream offset of the next record. */
  pos: number
  private buf: Uint8Array
  private at = 0
  private limit = 0

  constructor(
    private readonly window: ByteWindow,
    private readonly minor: number,
    readonly startBytes: number,
  ) {
    this.pos = startBytes
    this.buf = window.buf
  }

  /** Goes as far as the bytes reach. @throws Broken, and then `pos` is the record that is wrong or cut off */
  scan(): Outcome {
    const outcome = this.walk()
    if (outcome !== 'more' && this.index.ticksPerSecond === 0)
      throw new Broken(
        'truncated',
        'it was cut off, its clock frequency, which is written when tracing stops, is missing',
      )
    return outcome
  }

  private walk(): Outcome {
    const { window } = this
    this.buf = window.buf
    this.limit = window.end - window.base
    for (;;) {
      this.at = window.index(this.pos)
      if (this.at >= this.limit) return this.whole()
      if (this.buf[this.at] === 0x67) {
        if (this.at + readTraceHeader.sizeBytes > this.limit && !window.ended) return 'more'
        if (!Number.isNaN(readTraceHeader(this.buf, this.at))) return 'header'
      }
      if (!this.record()) {
        if (window.ended) throw new Broken('truncated', 'it ends inside an event')
        return 'more'
      }
      this.pos = this.at + window.base
      if (this.pos - this.startBytes > maxTraceBytes)
        throw new Broken('bad_generation', 'traces of Go 1.21 and older can be read up to 2 GiB')
    }
  }

  private whole(): Outcome {
    return this.window.ended ? 'whole' : 'more'
  }

  /** Reads the record at `at` and moves behind it; false when bytes are missing. */
  private record(): boolean {
    const byte = this.buf[this.at++]!
    const type = byte & 0x3f
    if (!v1Exists(type, this.minor)) throw new Broken('bad_event', `event ${type} is unknown`)
    switch (type) {
      case V1.String:
        return this.string()
      case V1.Batch:
        return this.batch(byte >> 6)
      case V1.Frequency:
        return this.single((value) => (this.index.ticksPerSecond = value))
      case V1.TimerGoroutine:
        return this.single((value) => this.index.timerGoids.add(value))
      default:
        return this.event(type, byte >> 6)
    }
  }

  private batch(code: number): boolean {
    if (code !== 1) throw new Broken('bad_batch', 'a batch has the wrong number of arguments')
    const p = this.number()
    const ticks = this.number()
    if (Number.isNaN(ticks)) return false
    if (p > 2 ** 31 && p < 2 ** 63) throw new Broken('bad_batch', `P ${p} cannot exist`)
    const startBytes = this.at + this.window.base
    this.index.batches.push({ p: p >= 2 ** 63 ? -1 : p, ticks, startBytes, endBytes: startBytes })
    return true
  }

  private string(): boolean {
    const id = this.number()
    const place = this.at + this.window.base
    const size = this.number()
    if (id === 0) throw new Broken('bad_event', 'a string has no id')
    if (size > maxStringBytes) throw new Broken('bad_event', `a string of ${size} bytes is longer than can be`)
    if (!this.skip(size)) return false
    this.index.strings.push(id, place)
    return true
  }

  private single(take: (value: number) => void): boolean {
    const value = this.number()
    if (Number.isNaN(value)) return false
    take(value)
    return true
  }

  private event(type: number, code: number): boolean {
    let start = this.at
    let numbers = code + 1
    if (code === lengthFirst) {
      const size = this.number()
      if (size > maxArgsBytes) throw new Broken('bad_event', `arguments of ${size} bytes are longer than can be`)
      start = this.at
      if (!this.skip(size)) return false
      numbers = this.countNumbers(start, this.at)
    } else {
      for (let i = 0; i < numbers; i++) if (Number.isNaN(this.number())) return false
    }
    if (type === V1.Stack) return this.stack(start, numbers)
    if (numbers !== v1NumberCount[type])
      throw new Broken(
        'bad_event',
        `event ${v1Names[type]!} has ${numbers} numbers where ${v1NumberCount[type]!} belong`,
      )
    if (type === V1.UserLog && !this.skip(this.number())) return false
    const batch = this.index.batches.at(-1)
    if (batch === undefined) throw new Broken('bad_event', `event ${v1Names[type]!} stands before the first batch`)
    if (type === V1.CPUSample) this.index.samples.push(start + this.window.base)
    batch.endBytes = this.at + this.window.base
    return true
  }

  private stack(start: number, numbers: number): boolean {
    const end = this.at
    this.at = start
    const id = this.number()
    const place = this.at + this.window.base
    const frames = this.number()
    if (frames > maxFrames || numbers !== 2 + 4 * frames)
      throw new Broken('bad_event', `stack ${id} says it has ${frames} frames, and has ${numbers} numbers`)
    if (id !== 0 && frames > 0) this.index.stacks.push(id, place)
    this.at = end
    return true
  }

  private countNumbers(start: number, end: number): number {
    let count = 0
    let bytes = 0
    for (let i = start; i < end; i++) {
      if (++bytes > 10) throw new Broken('bad_event', 'a number is longer than 64 bits')
      if (this.buf[i]! >= 0x80) continue
      count++
      bytes = 0
    }
    if (bytes > 0) throw new Broken('bad_event', 'a number runs past the end of its event')
    return count
  }

  /** Behind so many bytes; false when they are not all there (or their number is missing). */
  private skip(size: number): boolean {
    this.at += size
    return this.at <= this.limit
  }

  /** NaN when bytes are missing. */
  private number(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.limit) return Number.NaN
      const byte = this.buf[this.at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new Broken('bad_event', 'a number is longer than 64 bits')
  }
}
