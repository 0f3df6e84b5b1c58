import type { Batch } from './batch.js'
import type { ByteWindow } from './bytes.js'
import type { FramedGeneration } from './frames.js'
import { IdTable } from './idTable.js'
import { Broken } from './problems.js'
import { Ev, maxFramesPerStack, maxStringBytes } from './spec.js'
import { signedId, VarintReader } from './varint.js'

/** One frame of a stack; the leaf comes first in a stack. */
export interface Frame {
  readonly func: string
  readonly file: string
  readonly line: number
  readonly pc: number
}

/** A sample of a CPU profile that ran beside the trace. */
export interface CpuSample {
  readonly units: number
  readonly tid: number
  readonly p: number
  readonly goid: number
  readonly stackId: number
}

/** One moment on the trace's, the monotonic and the wall clock, as the trace wrote it. */
export interface RawSnapshot {
  readonly units: number
  readonly monotonicNs: bigint
  readonly wallNs: bigint
}

const noFrames: readonly Frame[] = []
const lenient = new TextDecoder()

/** What a generation says besides its events: strings, stacks, clock, CPU samples. Strings and stacks are decoded when asked for. */
export class GenerationTables {
  unitsPerSecond = 0
  snapshot: RawSnapshot | undefined
  samples: CpuSample[] = []
  /** Batches with events, in file order. */
  eventBatches: Batch[] = []
  /** Earliest time of any batch. */
  firstUnits = 0
  readonly strings = new IdTable()
  readonly stacks = new IdTable()
  private readonly decodedStrings = new Map<number, string>()
  /** Strings that do not stand in the buffer. */
  private readonly texts = new Map<number, Uint8Array>()
  private readonly decodedStacks = new Map<number, readonly Frame[]>()
  private buf: Uint8Array = new Uint8Array(0)
  private readonly reader = new VarintReader()

  constructor(private readonly window: ByteWindow) {}

  /** @throws Broken when the generation contradicts the format */
  load(generation: FramedGeneration, minor: number): void {
    this.clear()
    const stacks: Batch[] = []
    for (const batch of generation.batches) {
      if (this.firstUnits === 0 || batch.units < this.firstUnits) this.firstUnits = batch.units
      const kind = batch.experimental || batch.startBytes === batch.endBytes ? -1 : this.buf[this.index(batch)]!
      if (kind === Ev.Strings) this.readStrings(this.open(batch))
      else if (kind === Ev.Stacks) stacks.push(batch)
      else if (kind === Ev.CPUSamples) this.readSamples(this.open(batch))
      else if (kind === Ev.Frequency && minor < 25) this.readSync(batch, minor)
      else if (kind === Ev.Sync && minor >= 25) this.readSync(batch, minor)
      else if (!batch.experimental) this.eventBatches.push(batch)
    }
    // After the strings, wherever those stood in the file, because a stack's names are checked.
    for (const batch of stacks) this.readStacks(this.open(batch))
    if (this.unitsPerSecond === 0) throw new Broken('bad_generation', 'it has no clock frequency')
    if (minor >= 25 && this.snapshot === undefined) throw new Broken('bad_generation', 'it has no clock snapshot')
  }

  clear(): void {
    this.buf = this.window.buf
    this.unitsPerSecond = 0
    this.snapshot = undefined
    this.samples = []
    this.eventBatches = []
    this.firstUnits = 0
    this.strings.clear()
    this.stacks.clear()
    this.decodedStrings.clear()
    this.texts.clear()
    this.decodedStacks.clear()
  }

  hasString(id: number): boolean {
    return id === 0 || this.strings.get(id) !== 0
  }

  hasStack(id: number): boolean {
    return id === 0 || this.stacks.get(id) !== 0
  }

  string(id: number): string {
    let text = this.decodedStrings.get(id)
    if (text === undefined) {
      text = decode(this.stringBytes(id))
      this.decodedStrings.set(id, text)
    }
    return text
  }

  /** Gives an id to a text that the trace does not contain. */
  setText(id: number, text: string): void {
    this.decodedStrings.set(id, text)
    this.texts.set(id, new TextEncoder().encode(text))
  }

  /** A string as it stands in the file, which need not be UTF-8. Empty for an unknown id. */
  stringBytes(id: number): Uint8Array {
    const place = this.strings.get(id)
    if (place === 0) return this.texts.get(id) ?? new Uint8Array(0)
    const { buf } = this.window
    const reader = this.reader.at(buf, place, buf.length)
    const size = reader.read()
    return buf.subarray(reader.pos, reader.pos + size)
  }

  /** Leaf first; empty for 0 and for an unknown id. */
  stack(id: number): readonly Frame[] {
    const place = this.stacks.get(id)
    if (place === 0) return noFrames
    let frames = this.decodedStacks.get(id)
    if (frames === undefined) {
      frames = this.decodeStack(place)
      this.decodedStacks.set(id, frames)
    }
    return frames
  }

  private decodeStack(place: number): readonly Frame[] {
    const { buf } = this.window
    const reader = new VarintReader().at(buf, place, buf.length)
    return Array.from({ length: reader.read() }, () => {
      const pc = reader.read()
      const func = this.string(reader.read())
      const file = this.string(reader.read())
      return { func, file, line: reader.read(), pc }
    })
  }

  private index(batch: Batch): number {
    return this.window.index(batch.startBytes)
  }

  /** A reader behind the byte that says what kind of batch this is. */
  private open(batch: Batch): VarintReader {
    const index = this.index(batch)
    return this.reader.at(this.buf, index + 1, index + batch.endBytes - batch.startBytes)
  }

  private readStrings(reader: VarintReader): void {
    while (reader.pos < reader.end) {
      expectRecord(reader, Ev.String)
      const id = reader.read()
      const place = reader.pos
      const size = reader.read()
      if (size > maxStringBytes) throw bad(reader, `a string of ${size} bytes is longer than the format allows`)
      reader.pos += size
      if (reader.pos > reader.end) throw bad(reader, 'a string runs past the end of its batch')
      if (!this.strings.set(id, place)) throw bad(reader, `string ${id} is there twice`)
    }
  }

  private readStacks(reader: VarintReader): void {
    while (reader.pos < reader.end) {
      expectRecord(reader, Ev.Stack)
      const id = reader.read()
      const place = reader.pos
      const frames = reader.read()
      if (frames > maxFramesPerStack) throw bad(reader, `a stack of ${frames} frames is longer than the format allows`)
      for (let i = 0; i < frames; i++) {
        reader.read()
        const func = reader.read()
        const file = reader.read()
        reader.read()
        if (!this.hasString(func) || !this.hasString(file)) throw bad(reader, `stack ${id} has a name that is missing`)
      }
      if (!this.stacks.set(id, place)) throw bad(reader, `stack ${id} is there twice`)
    }
  }

  private readSamples(reader: VarintReader): void {
    while (reader.pos < reader.end) {
      expectRecord(reader, Ev.StackSample)
      const units = reader.read()
      const tid = signedId(reader.read())
      const p = signedId(reader.read())
      const goid = reader.read()
      this.samples.push({ units, tid, p, goid: goid === 0 ? -1 : goid, stackId: reader.read() })
    }
  }

  private readSync(batch: Batch, minor: number): void {
    const reader = this.open(batch)
    // Before 1.25 the frequency stood alone in its batch, without a byte that names the batch.
    if (minor < 25) reader.pos--
    let units = batch.units
    while (reader.pos < reader.end) {
      const kind = reader.byte()
      if (kind === Ev.Frequency) {
        if (this.unitsPerSecond !== 0) throw bad(reader, 'the clock frequency is there twice')
        this.unitsPerSecond = reader.read()
        if (this.unitsPerSecond === 0) throw bad(reader, 'the clock frequency is 0')
      } else if (kind === Ev.ClockSnapshot && minor >= 25) {
        if (this.snapshot !== undefined) throw bad(reader, 'the clock snapshot is there twice')
        units += reader.read()
        const monotonicNs = reader.readExact()
        const seconds = reader.readExact()
        this.snapshot = { units, monotonicNs, wallNs: seconds * 1_000_000_000n + reader.readExact() }
      } else throw bad(reader, `record ${kind} does not belong into a sync batch`)
    }
  }
}

/** A decoder takes longer than this for the short names and messages of which traces are full. */
const shortBytes = 32

function decode(bytes: Uint8Array): string {
  if (bytes.length > shortBytes) return lenient.decode(bytes)
  let text = ''
  for (const byte of bytes) {
    if (byte >= 0x80) return lenient.decode(bytes)
    text += String.fromCharCode(byte)
  }
  return text
}

function expectRecord(reader: VarintReader, wanted: number): void {
  const kind = reader.byte()
  if (kind !== wanted) throw bad(reader, `record ${kind} stands where ${wanted} belongs`)
}

function bad(reader: VarintReader, detail: string): Broken {
  return new Broken('bad_generation', detail, reader.pos)
}
