import type { ByteWindow } from '../bytes.js'
import { VarintReader } from '../varint.js'
import { V1Record } from './record.js'
import type { V1Batch } from './scanner.js'
import { V1, v1NumberCount } from './spec.js'

/** Events after which no goroutine runs on their P. */
const leaves = new Set<number>([
  V1.GoEnd,
  V1.GoStop,
  V1.GoSched,
  V1.GoPreempt,
  V1.GoSleep,
  V1.GoBlock,
  V1.GoBlockSend,
  V1.GoBlockRecv,
  V1.GoBlockSelect,
  V1.GoBlockSync,
  V1.GoBlockCond,
  V1.GoBlockNet,
  V1.GoBlockGC,
  V1.GoSysBlock,
])
const starts = new Set<number>([V1.GoStart, V1.GoStartLocal, V1.GoStartLabel])
/** Events about the goroutine they name, whoever runs on the P that writes them. */
const namesItself = new Set<number>([V1.GoSysExit, V1.GoSysExitLocal, V1.GoWaiting, V1.GoInSyscall])

/** Events in the order they were written by one source: a P, or the profiler. `head` is the next one. */
export interface V1Stream {
  readonly head: V1Record
  /** Moves `head` on; false at the end. */
  next(): boolean
}

/** The events of one P. */
export class ProcStream implements V1Stream {
  readonly head = new V1Record()
  private readonly reader = new VarintReader()
  private readonly p: number
  private batchNo = 0
  private ticks = 0
  private goid = 0

  constructor(
    private readonly window: ByteWindow,
    private readonly batches: readonly V1Batch[],
  ) {
    this.p = batches[0]!.p
    this.reader.end = this.reader.pos = 0
  }

  next(): boolean {
    const { head, reader, window } = this
    reader.buf = window.buf
    for (;;) {
      if (reader.pos >= reader.end && !this.nextBatch()) return false
      const byte = reader.byte()
      const type = byte & 0x3f
      if (type === V1.CPUSample || v1NumberCount[type] === 255) {
        skipRecord(reader, byte)
        continue
      }
      if (byte >> 6 === 3) reader.read()
      this.ticks += head.read(reader, type)
      head.ticks = this.ticks
      head.p = this.p
      this.assignGoroutine(type)
      return true
    }
  }

  private assignGoroutine(type: number): void {
    const { head } = this
    if (starts.has(type)) this.goid = head.args[0]!
    head.goid = namesItself.has(type) ? head.args[0]! : this.goid
    if (leaves.has(type)) this.goid = 0
  }

  private nextBatch(): boolean {
    for (;;) {
      const batch = this.batches[this.batchNo++]
      if (batch === undefined) return false
      if (batch.endBytes === batch.startBytes) continue
      this.reader.pos = this.window.index(batch.startBytes)
      this.reader.end = this.window.index(batch.endBytes)
      this.ticks = batch.ticks
      return true
    }
  }
}

/** CPU samples, sorted by the time of the signal. */
export class SampleStream implements V1Stream {
  readonly head = new V1Record()
  private readonly reader = new VarintReader()
  private at = 0

  constructor(
    private readonly window: ByteWindow,
    private readonly places: readonly number[],
  ) {}

  next(): boolean {
    const place = this.places[this.at++]
    if (place === undefined) return false
    const { head, reader, window } = this
    reader.at(window.buf, window.index(place), window.buf.length)
    head.read(reader, V1.CPUSample)
    const [ticks, p, goid] = head.args as unknown as [number, number, number]
    head.ticks = ticks
    head.p = p >= 2 ** 31 ? -1 : p
    head.goid = goid
    return true
  }
}

/** Strings, stacks and the like may stand among the events of any P. */
function skipRecord(reader: VarintReader, byte: number): void {
  const type = byte & 0x3f
  if (type === V1.String) reader.read()
  if (type === V1.String || byte >> 6 === 3) {
    const size = reader.read()
    reader.pos += size
    return
  }
  const numbers = type === V1.Frequency || type === V1.TimerGoroutine ? 1 : (byte >> 6) + 1
  for (let i = 0; i < numbers; i++) reader.read()
}
