import type { ByteWindow } from '../bytes.js'
import type { GenerationTables } from '../generation.js'
import { Broken } from '../problems.js'
import { VarintReader } from '../varint.js'
import type { V1Index } from './scanner.js'

/** Texts that v2 writes into the trace and v1 has as event types: why a goroutine stops running. */
export const V1Text = {
  none: '',
  forever: 'forever',
  preempted: 'preempted',
  gosched: 'runtime.Gosched',
  sleep: 'sleep',
  chanSend: 'chan send',
  chanReceive: 'chan receive',
  network: 'network',
  sync: 'sync',
  cond: 'sync.(*Cond).Wait',
  select: 'select',
  markAssist: 'GC mark assist wait for work',
} as const
export type V1Text = keyof typeof V1Text

/** Why the world stops, by the numbers of Go 1.21. */
const stopKinds = [
  '',
  'GC mark termination',
  'GC sweep termination',
  'write heap dump',
  'goroutine profile',
  'goroutine profile cleanup',
  'all goroutine stack trace',
  'read mem stats',
  'AllThreadsSyscall',
  'GOMAXPROCS',
  'start trace',
  'stop trace',
  'CountPagesInUse (test)',
  'ReadMetricsSlow (test)',
  'ReadMemStatsSlow (test)',
  'PageCachePagesLeaked (test)',
  'ResetDebugLog (test)',
]

/** Strings and stacks of a v1 trace in the tables that v2 uses: v1 lays them out alike. Texts that v1 has no ids for get some behind the trace's own. */
export class V1Tables {
  private readonly textIds = new Map<string, number>()
  private nextId = 1

  /** @throws Broken when a string is there twice */
  constructor(
    private readonly tables: GenerationTables,
    window: ByteWindow,
    index: V1Index,
  ) {
    tables.clear()
    tables.unitsPerSecond = index.ticksPerSecond
    for (let i = 0; i < index.strings.length; i += 2) {
      const id = index.strings[i]!
      const place = window.index(index.strings[i + 1]!)
      if (!tables.strings.set(id, place)) throw new Broken('bad_generation', `string ${id} is there twice`, place)
      if (id >= this.nextId && id < 2 ** 52) this.nextId = id + 1
    }
    const reader = new VarintReader(window.buf)
    for (let i = 0; i < index.stacks.length; i += 2)
      this.addStack(index.stacks[i]!, window.index(index.stacks[i + 1]!), reader)
    for (const text of [...Object.values(V1Text), ...stopKinds]) this.give(text)
  }

  textId(text: V1Text): number {
    return this.textIds.get(V1Text[text])!
  }

  /** Of a stop-the-world, by its number in the trace. Before 1.21 there were two, numbered otherwise. */
  stopKind(kind: number, minor: number): string {
    const known = minor >= 21 ? kind : kind <= 1 ? kind + 1 : 0
    return stopKinds[known] ?? ''
  }

  stopKindId(kind: string): number {
    return this.textIds.get(kind)!
  }

  /** An id for a text that stands at a place in the buffer, its length first. */
  idAt(place: number): number {
    this.tables.strings.set(this.nextId, place)
    return this.nextId++
  }

  /** @throws Broken when there is no such string */
  existing(id: number, place: number): number {
    if (!this.tables.hasString(id)) throw new Broken('bad_event', `string ${id} is missing`, place)
    return id
  }

  /** 0 for a stack that is missing or has no frames, as Go's tool takes it. */
  stackId(id: number): number {
    return this.tables.hasStack(id) ? id : 0
  }

  /** A stack whose names are missing, because the trace was cut off, is missing as well. */
  private addStack(id: number, place: number, reader: VarintReader): void {
    reader.pos = place
    for (let frames = reader.read(); frames > 0; frames--) {
      reader.read()
      if (!this.tables.hasString(reader.read()) || !this.tables.hasString(reader.read())) return
      reader.read()
    }
    this.tables.stacks.set(id, place)
  }

  private give(text: string): void {
    if (this.textIds.has(text)) return
    this.tables.setText(this.nextId, text)
    this.textIds.set(text, this.nextId++)
  }
}
