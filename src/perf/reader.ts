import { isSideband, parseSampleBody, parseSideband } from './body.js'
import { Byte, spacesAhead } from './bytes.js'
import { EventTable } from './events.js'
import type { PerfFrame } from './frame.js'
import type { PerfHeader } from './header.js'
import { LineReader } from './lineReader.js'
import type { Problem, ProblemName } from './problems.js'
import { PerfKind, PerfRecord } from './record.js'
import { RecordTimes } from './recordTimes.js'
import { SampleReader } from './sampleReader.js'
import { StackStore } from './stackStore.js'
import type { SyscallEvent } from './syscallEvents.js'
import { syscallName } from './syscallNames.js'

export interface PerfReaderOptions {
  /** Throw a UserError at the first problem. */
  readonly strict?: boolean
  /** Distinct lines, or lines of distinct stacks by fours, kept before the tables start afresh, which begins a new `epoch`. */
  readonly internLimit?: number
}

/** Where to go on reading: plain data for `structuredClone`. */
export interface PerfReaderState {
  readonly version: 1
  readonly consumedBytes: number
  readonly line: number
  readonly header: PerfHeader
  readonly baseNs: bigint | undefined
  readonly eventNames: readonly string[]
  /** Sampled tracepoints with the position of what told it: those told behind `consumedBytes` are told again. */
  readonly sampledEvents: readonly (readonly [string, number])[]
  readonly relativeTimes: boolean
  readonly afterSideband: boolean
  readonly problems: readonly Problem[]
  readonly problemCounts: readonly (readonly [ProblemName, number])[]
}

/**
 * Reads `perf script` text: push chunks cut anywhere, pull records. One record at a time is in memory; distinct frames and stacks are
 * interned by their bytes and decoded when asked for.
 *
 *     reader.push(chunk)
 *     while (reader.next()) use(reader.record)
 *     …
 *     reader.end()
 *     while (reader.next()) use(reader.record)
 *
 * A sample is complete when its blank line, or the first line of the next record, has come.
 */
export class PerfScriptReader {
  readonly record = new PerfRecord()
  /** Stack ids are valid while this number stays the same; it changes in `next()` only. */
  epoch = 0

  private readonly lines: LineReader
  private readonly times = new RecordTimes()
  private readonly samples: SampleReader
  private readonly internLimit: number
  private afterSideband = false
  private recordLine = 1

  constructor(options: PerfReaderOptions = {}, streamPos = 0) {
    this.lines = new LineReader(streamPos, options.strict ?? false)
    this.samples = new SampleReader(this.lines, this.times, this.record)
    this.internLimit = options.internLimit ?? 1 << 20
  }

  /** Goes on from `save()`: push the stream's bytes from `state.consumedBytes` on. */
  static restore(state: PerfReaderState, options: PerfReaderOptions = {}): PerfScriptReader {
    const reader = new PerfScriptReader(options, state.consumedBytes)
    reader.lines.line = state.line
    reader.samples.header = state.header
    reader.times.restore(state.baseNs, state.relativeTimes)
    const told = state.sampledEvents.filter(([, offsetBytes]) => offsetBytes < state.consumedBytes)
    reader.samples.events = new EventTable(state.eventNames, told)
    for (const { name } of state.header.events) reader.events.expect(name)
    reader.afterSideband = state.afterSideband
    reader.lines.log.list.push(...state.problems)
    for (const [name, count] of state.problemCounts) reader.lines.log.count(name, count)
    return reader
  }

  /** State at the start of the first record not delivered yet. */
  save(): PerfReaderState {
    return {
      version: 1,
      consumedBytes: this.consumedBytes,
      line: this.lines.inRecord ? this.recordLine : this.lines.line,
      header: this.header,
      baseNs: this.baseNs,
      eventNames: [...this.events.names],
      sampledEvents: [...this.events.sampled],
      relativeTimes: this.times.areRelative,
      afterSideband: this.afterSideband,
      problems: [...this.lines.log.list],
      problemCounts: [...this.lines.log.counts],
    }
  }

  get header(): PerfHeader {
    return this.samples.header
  }

  /** Whole second of the first record with a time, in ns on perf's clock; record times count from it. */
  get baseNs(): bigint | undefined {
    return this.times.baseNs
  }

  /** The first problems with their places; `problemCounts` counts all. */
  get problems(): readonly Problem[] {
    return this.lines.log.list
  }

  get problemCounts(): ReadonlyMap<string, number> {
    return this.lines.log.counts
  }

  /** Sum of `problemCounts`, cheap enough to look at after every record. */
  get problemTotal(): number {
    return this.lines.log.total
  }

  /** Stream position of the first byte not delivered as (or known to lie between) records. */
  get consumedBytes(): number {
    return this.lines.inRecord ? this.record.offsetBytes : this.lines.streamPos
  }

  /** Whether only some events of this tracepoint were recorded, as far as the header or a printed period has told. */
  isSampled(eventName: string): boolean {
    return this.events.sampled.has(eventName)
  }

  eventName(id: number): string {
    return this.events.names[id] ?? ''
  }

  /** What the current record tells of a system call; undefined when nothing, or when a `raw_syscalls:` event tells the same. */
  get syscallEvent(): SyscallEvent | undefined {
    return this.events.syscallOf(this.record.eventId)
  }

  /** Name of the current record's system call; `nr_N` where neither the event nor the machine's table names it. */
  syscallName(event: SyscallEvent): string {
    return event.name ?? syscallName(this.header.arch, this.record.syscallNumber())
  }

  /** Frames of a stack, leaf first; empty for 0. Valid ids are those of records of this `epoch`. */
  stack(stackId: number): readonly PerfFrame[] {
    return this.samples.stacks.stack(stackId)
  }

  /** Number of lines of the current record's stack. */
  get stackDepth(): number {
    return this.samples.stacks.table.depth
  }

  /** Line of the current record's stack, innermost first, as a number 0, 1, 2 … that is the same for equal lines of an epoch. */
  stackLine(index: number): number {
    return this.samples.stacks.table.lineAt(index)
  }

  /** Number of the symbol a line names, the same for all lines of an epoch that name it; -1 when only `lineFrame` can tell. */
  lineSymbol(line: number): number {
    return this.samples.stacks.lineSymbol(line)
  }

  /** The frame a line is; undefined for a line that belongs to the frame above it (a source position). */
  lineFrame(line: number): PerfFrame | undefined {
    return this.samples.stacks.lineFrame(line)
  }

  push(chunk: Uint8Array): void {
    this.room(chunk.length).set(chunk)
    this.fill(chunk.length)
  }

  /** Memory for the next bytes of the stream, for those who can write there and spare a copy: `fill` takes as many as came. */
  room(sizeBytes: number): Uint8Array {
    const { lines, record } = this
    const { window } = lines
    if (lines.ended) throw new Error('push after end')
    this.samples.forgetHead()
    // Of an open sample only the first line is kept: the frames read so far are interned.
    if (lines.inRecord) record.shift(window.makeRoom(sizeBytes, record.headStart, record.headEnd))
    else window.makeRoom(sizeBytes)
    return window.bytes.subarray(window.end, window.end + sizeBytes)
  }

  /** The first bytes of `room` are written; nothing else was asked of the reader since. */
  fill(sizeBytes: number): void {
    this.lines.window.end += sizeBytes
  }

  /** No more chunks: the last line counts even without its newline. */
  end(): void {
    if (!this.lines.ended) this.lines.end()
  }

  /** Moves `record` to the next one; false when more bytes are needed (or, after `end`, when there are none). */
  next(): boolean {
    const { lines, samples, record } = this
    if (!lines.inRecord && !this.open()) return false
    if (record.kind === PerfKind.Sample) {
      if (!samples.read()) return false
      if (!samples.hasStack) samples.readInlineFrame()
      record.stack = samples.stacks.table
    }
    this.afterSideband = record.kind !== PerfKind.Sample
    lines.closeRecord()
    record.bytes = lines.streamPos - record.offsetBytes
    return true
  }

  /** Reads up to and including the first line of a record. False when bytes are missing. */
  private open(): boolean {
    const { lines, samples } = this
    for (;;) {
      const end = lines.take()
      if (end < 0) return false
      const textEnd = lines.textEnd(lines.window.pos, end)
      const isRecord = samples.readHead(textEnd)
      if (isRecord) this.begin(textEnd, end)
      else this.skip(textEnd)
      lines.pass(end)
      if (isRecord) return true
    }
  }

  /** Passes a line between records. */
  private skip(textEnd: number): void {
    const { lines, samples } = this
    const { bytes, pos } = lines.window
    if (bytes[pos] === Byte.hash) samples.readComment(textEnd)
    else if (bytes[pos] === Byte.tab) {
      // A side-band record may go on below its line (namespaces).
      if (!this.afterSideband) lines.report('orphan_frame', 'a stack frame with no sample above it')
    } else if (spacesAhead(bytes, pos, textEnd) < textEnd) {
      this.afterSideband = false
      lines.report(
        'unreadable_line',
        `expected "COMM PID/TID [CPU] TIME: …" but found "${lines.excerpt(pos, textEnd)}"`,
      )
    }
  }

  /** Fills `record` from its first line, whose head has been read. */
  private begin(textEnd: number, end: number): void {
    const { lines, record, samples } = this
    const { head } = samples
    const { window } = lines
    if (samples.stacks.size >= this.internLimit) {
      samples.stacks = new StackStore()
      this.epoch++
    }
    this.recordLine = lines.line
    record.begin(window, head, end + 1)
    samples.begin()
    if (isSideband(window.bytes, head.bodyStart, textEnd)) parseSideband(window.bytes, head.bodyStart, textEnd, record)
    else {
      record.kind = PerfKind.Sample
      lines.inRecord = true
      parseSampleBody(window.bytes, head.bodyStart, textEnd, record)
      record.eventId = this.events.intern(window, record.nameStart, record.nameEnd)
      record.traits = this.events.traitsOf(record.eventId)
      samples.checkPeriod()
    }
    const wrong = this.times.read(head, this.header, record)
    if (wrong !== undefined) lines.report('no_times', wrong)
  }

  private get events(): EventTable {
    return this.samples.events
  }
}
