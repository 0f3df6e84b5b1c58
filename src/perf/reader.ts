import { isSideband, inlineFrameStart, mayBeSynthesised, parseSampleBody, parseSideband } from './body.js'
import { Byte, spacesAhead } from './bytes.js'
import { EventTable, EventTrait } from './events.js'
import { assembleStack, classifyLine, LineClass, parseFrame, type PerfFrame } from './frame.js'
import { Head, parseHead, parseTimelessHead } from './head.js'
import { emptyHeader, withHeaderLine, type PerfHeader } from './header.js'
import { ProblemLog, type Problem, type ProblemName } from './problems.js'
import { PerfKind, PerfRecord } from './record.js'
import { StackTable } from './stackTable.js'
import { ByteWindow } from './window.js'

/** A line longer than this is not text that perf wrote. */
export const longestLineBytes = 1 << 20
/** perf's own limit of a call chain (kernel.perf_event_max_stack) is 65,536; source lines and inlined frames come on top. */
const deepestStackLines = 1 << 18

export interface PerfReaderOptions {
  /** Throw a UserError at the first problem. */
  readonly strict?: boolean
  /** Distinct lines or stack nodes kept before the tables start afresh, which begins a new `epoch`. */
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
  readonly relativeTimes: boolean
  readonly afterSideband: boolean
  readonly problems: readonly Problem[]
  readonly problemCounts: readonly (readonly [ProblemName, number])[]
}

/** Where the reader stands: between records, or below a sample's first line. */
const Phase = { Idle: 0, InSample: 1 } as const

const noTimes =
  'the record has no time; write the text with "perf script --ns -F comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace"'
const relative =
  'times count from the first or the previous record; write the text without --reltime and --deltatime, they cannot be put on an axis'

/**
 * Reads `perf script` text: push chunks cut anywhere, pull records. One record at a time is in memory; distinct frames and stacks are
 * interned by their bytes and decoded when asked for.
 *
 *     reader.push(chunk)
 *     while (reader.next()) use(reader.record)
 *     …
 *     reader.end()
 *     while (reader.next()) use(reader.record)
 */
export class PerfScriptReader {
  readonly record = new PerfRecord()
  header: PerfHeader = emptyHeader
  /** Whole second of the first record with a time, in ns on perf's clock; record times count from it. */
  baseNs: bigint | undefined
  /** Stack ids are valid while this number stays the same; it changes in `next()` only. */
  epoch = 0

  private readonly window: ByteWindow
  private readonly log: ProblemLog
  /** Problems of the record being read: they count once it is delivered, so that a state saved before does not hold them. */
  private readonly recordLog: ProblemLog
  private events = new EventTable()
  private stacks = new StackTable()
  private readonly frames = new Map<number, PerfFrame>()
  private readonly assembled = new Map<number, readonly PerfFrame[]>()
  private readonly lineClasses = new Map<number, LineClass>()
  private readonly internLimit: number
  private readonly head = new Head()
  /** Stream position of the line whose head is in `head` already, read as what ends the sample above it; -1 = none. */
  private headReadAt = -1
  private baseSeconds = 0
  private relativeTimes = false
  private afterSideband = false
  private ended = false
  /** Newline added by `end()`. */
  private addedBytes = 0

  private phase: number = Phase.Idle
  /** Bytes of a line too long to keep that are already gone, 0 = none. */
  private skippedBytes = 0
  private line = 1
  private recordLine = 1
  private recordStart = 0
  private headEnd = 0
  private node = 0
  private depth = 0

  constructor(options: PerfReaderOptions = {}, streamPos = 0) {
    this.window = new ByteWindow(streamPos)
    this.log = new ProblemLog(options.strict ?? false)
    this.recordLog = new ProblemLog(options.strict ?? false)
    this.internLimit = options.internLimit ?? 1 << 20
  }

  /** Goes on from `save()`: push the stream's bytes from `state.consumedBytes` on. */
  static restore(state: PerfReaderState, options: PerfReaderOptions = {}): PerfScriptReader {
    const reader = new PerfScriptReader(options, state.consumedBytes)
    reader.line = state.line
    reader.header = state.header
    reader.baseNs = state.baseNs
    if (state.baseNs !== undefined) reader.baseSeconds = Number(state.baseNs / 1_000_000_000n)
    reader.events = new EventTable(state.eventNames)
    reader.relativeTimes = state.relativeTimes
    reader.afterSideband = state.afterSideband
    reader.log.list.push(...state.problems)
    for (const [name, count] of state.problemCounts) reader.log.count(name, count)
    return reader
  }

  /** State at the start of the first record not delivered yet. */
  save(): PerfReaderState {
    return {
      version: 1,
      consumedBytes: this.consumedBytes,
      line: this.phase === Phase.InSample ? this.recordLine : this.line,
      header: this.header,
      baseNs: this.baseNs,
      eventNames: [...this.events.names],
      relativeTimes: this.relativeTimes,
      afterSideband: this.afterSideband,
      problems: [...this.log.list],
      problemCounts: [...this.log.counts],
    }
  }

  /** The first problems with their places; `problemCounts` counts all. */
  get problems(): readonly Problem[] {
    return this.log.list
  }

  get problemCounts(): ReadonlyMap<string, number> {
    return this.log.counts
  }

  get problemTotal(): number {
    return this.log.total
  }

  /** Stream position of the first byte not delivered as (or known to lie between) records. */
  get consumedBytes(): number {
    if (this.phase === Phase.InSample) return this.record.offsetBytes
    return this.window.streamPos - this.skippedBytes - (this.window.pos === this.window.end ? this.addedBytes : 0)
  }

  eventName(id: number): string {
    return this.events.names[id] ?? ''
  }

  /** Frames of a stack, leaf first; empty for 0. Valid ids are those of records of this `epoch`. */
  stack(stackId: number): readonly PerfFrame[] {
    let stack = this.assembled.get(stackId)
    if (stack === undefined) {
      const lines = this.stacks.linesOf(stackId)
      const texts = lines.map((line) => this.stacks.lines.text(line).replace(/\r?\n$/, ''))
      const byText = new Map(texts.map((text, i) => [text, lines[i]!]))
      stack = assembleStack(texts, (text) => this.frame(byText.get(text)!, text))
      this.assembled.set(stackId, stack)
    }
    return stack
  }

  push(chunk: Uint8Array): void {
    if (this.ended) throw new Error('push after end')
    const { window, record } = this
    this.headReadAt = -1
    if (this.phase === Phase.Idle) window.push(chunk)
    else {
      const moved = window.push(chunk, this.recordStart, this.headEnd)
      this.recordStart -= moved
      this.headEnd -= moved
      record.commStart -= moved
      record.commEnd -= moved
      record.nameStart -= moved
      record.nameEnd -= moved
      record.traceStart -= moved
      record.traceEnd -= moved
    }
  }

  /** No more chunks: the last line counts even without its newline. */
  end(): void {
    if (this.ended) return
    const { window } = this
    const unfinished = window.end > window.pos && window.bytes[window.end - 1] !== Byte.newline
    if (unfinished || this.skippedBytes > 0) {
      this.push(Uint8Array.of(Byte.newline))
      this.addedBytes = 1
    }
    this.ended = true
  }

  /** Moves `record` to the next one; false when more bytes are needed (or, after `end`, when there are none). */
  next(): boolean {
    if (this.phase === Phase.Idle) {
      if (!this.open()) return false
      if (this.record.kind !== PerfKind.Sample) return this.deliver()
    }
    if (!this.readStack()) return false
    if (this.node === 0) this.readInlineFrame()
    this.record.stackId = this.node
    return this.deliver()
  }

  /** Reads up to and including the first line of a record. False when bytes are missing. */
  private open(): boolean {
    const { window } = this
    for (;;) {
      const end = this.takeLine()
      if (end < 0) return false
      const start = window.pos
      const first = window.bytes[start]
      if (first !== Byte.newline && this.tryOpen(start, end)) {
        window.moveTo(end + 1)
        this.line++
        return true
      }
      const textEnd = end > start && window.bytes[end - 1] === Byte.return ? end - 1 : end
      if (first === Byte.hash) this.readComment(start, textEnd)
      else if (first === Byte.tab) {
        // A side-band record may go on below its line (namespaces).
        if (!this.afterSideband) this.report('orphan_frame', 'a stack frame with no sample above it')
      } else if (spacesAhead(window.bytes, start, textEnd) < textEnd) {
        this.afterSideband = false
        this.report(
          'unreadable_line',
          `expected "COMM PID/TID [CPU] TIME: …" but found "${this.excerpt(start, textEnd)}"`,
        )
      }
      window.moveTo(end + 1)
      this.line++
    }
  }

  /** Position of the newline of the line at `pos`, which is not too long; -1 when bytes are missing. */
  private takeLine(): number {
    const { window } = this
    for (;;) {
      const end = window.lineEnd()
      if (end < 0) {
        const length = window.end - window.pos
        if (this.skippedBytes > 0 || length > longestLineBytes) {
          this.skippedBytes += length
          window.moveTo(window.end)
        }
        return -1
      }
      if (this.skippedBytes === 0 && end - window.pos <= longestLineBytes) return end
      const length = this.skippedBytes + end - window.pos
      this.report(
        'line_too_long',
        `a line of ${length} bytes was skipped; the longest readable one has ${longestLineBytes}`,
      )
      this.skippedBytes = 0
      window.moveTo(end + 1)
      this.line++
    }
  }

  /** Fills `record` from the line [start, lineEnd) if that is a record's first line. */
  private tryOpen(start: number, lineEnd: number): boolean {
    const { window, head, record } = this
    const { bytes } = window
    const end = lineEnd > start && bytes[lineEnd - 1] === Byte.return ? lineEnd - 1 : lineEnd
    if (this.headReadAt !== window.streamPos && !this.readHead(start, end)) return false
    if (this.stacks.lines.size >= this.internLimit || this.stacks.nodes >= this.internLimit) this.newEpoch()

    record.offsetBytes = window.streamPos
    record.source = window
    record.commStart = head.commStart
    record.commEnd = head.commEnd
    record.pid = head.pid
    record.tid = head.tid
    record.cpu = head.cpu
    record.stackId = 0
    record.preempt = false
    record.lost = 0
    record.childPid = record.childTid = record.peerPid = record.peerTid = -1
    this.recordStart = start
    this.headEnd = lineEnd + 1
    this.recordLine = this.line
    this.node = 0
    this.depth = 0
    if (isSideband(bytes, head.bodyStart, end)) {
      record.period = 1
      record.eventId = -1
      record.traits = 0
      parseSideband(bytes, head.bodyStart, end, record)
    } else this.openSample(end)
    this.readTime()
    return true
  }

  private openSample(end: number): void {
    const { window, head, record } = this
    record.kind = PerfKind.Sample
    this.phase = Phase.InSample
    parseSampleBody(window.bytes, head.bodyStart, end, record)
    record.eventId = this.events.intern(window, record.nameStart, record.nameEnd)
    record.traits = this.events.traitsOf(record.eventId)
    if (
      record.period !== 1 &&
      (record.traits & (EventTrait.Tracepoint | EventTrait.OwnPeriod)) === EventTrait.Tracepoint
    ) {
      this.report(
        'sampled_tracepoint',
        `${this.eventName(record.eventId)} was sampled (period ${record.period}): no durations follow from it; record with -e 'cpu-clock/freq=N/' instead of -F N`,
      )
    }
  }

  /** Whether [start, end) begins a record. Lines without a time count until the first record that has one. */
  private readHead(start: number, end: number): boolean {
    const { head, window } = this
    if (window.bytes[start] === Byte.tab) return false
    if (parseHead(window.bytes, start, end, head))
      return window.bytes[start] !== Byte.hash || head.commEnd - start <= 15
    if (this.baseNs !== undefined || window.bytes[start] === Byte.hash) return false
    return parseTimelessHead(window.bytes, start, end, head)
  }

  private readTime(): void {
    const { head, record } = this
    record.hasTime = false
    record.timeNs = 0
    if (!head.hasTime) {
      this.report('no_times', noTimes)
      return
    }
    const isZero = head.seconds === 0 && head.nanos === 0
    if (isZero && mayBeSynthesised(this.window.bytes, record)) return
    // One second of slack: perf's "time of first sample" is not the smallest of all.
    const tooEarly = record.kind === PerfKind.Sample && head.seconds + 1 < (this.header.firstSampleSeconds ?? 0)
    if (isZero || tooEarly) this.relativeTimes = true
    if (this.relativeTimes) {
      this.report('no_times', relative)
      return
    }
    if (this.baseNs === undefined) {
      this.baseSeconds = head.seconds
      this.baseNs = BigInt(head.seconds) * 1_000_000_000n
    }
    record.hasTime = true
    record.timeNs = (head.seconds - this.baseSeconds) * 1e9 + head.nanos
  }

  /** Reads the lines below a sample's first line until it is complete. False when bytes are missing. */
  private readStack(): boolean {
    const { window, stacks } = this
    for (;;) {
      const mayBeFrame = this.node !== 0 || window.bytes[window.pos] === Byte.tab
      if (mayBeFrame && this.skippedBytes === 0 && this.depth < deepestStackLines) {
        for (let node = this.node; (node = stacks.known(node, window, window.pos, window.end)) !== 0;) {
          this.node = node
          window.moveTo(window.pos + stacks.lineLength(node))
          this.line++
          if (++this.depth >= deepestStackLines) break
        }
      }
      if (window.pos === window.end && this.ended) return true
      const end = this.takeLine()
      if (end < 0) return this.ended && window.pos === window.end
      const start = window.pos
      if (end === start || (end === start + 1 && window.bytes[start] === Byte.return)) {
        window.moveTo(end + 1)
        this.line++
        return true
      }
      if (this.endsSample(start, end)) return true
      if (window.bytes[start] === Byte.hash) this.readComment(start, end)
      else this.addLine(start, end)
      window.moveTo(end + 1)
      this.line++
    }
  }

  /** Whether the line [start, end) does not belong to the sample above: it has no call chain, or lost its blank line. */
  private endsSample(start: number, end: number): boolean {
    const first = this.window.bytes[start]
    if (first === Byte.tab) return false
    if (this.readHead(start, this.window.bytes[end - 1] === Byte.return ? end - 1 : end)) {
      this.headReadAt = this.window.streamPos
      return true
    }
    // Words of an old --inline stand in the first column, but only below frames.
    return first !== Byte.space && first !== Byte.hash && this.node === 0
  }

  private readComment(start: number, end: number): void {
    this.header = withHeaderLine(this.header, this.window.bytes.toString('utf8', start, end).trimEnd())
  }

  private addLine(start: number, end: number): void {
    const { window, stacks } = this
    const length = end + 1 - start
    if (window.bytes[start] === Byte.space) {
      // A source position below a single-line sample belongs to the frame on that line.
      if (this.node === 0) this.readInlineFrame()
      const line = stacks.lines.intern(window, start, length)
      let lineClass = this.lineClasses.get(line)
      if (lineClass === undefined) {
        lineClass = classifyLine(window.bytes.toString('utf8', start, end))
        this.lineClasses.set(line, lineClass)
      }
      if (lineClass === LineClass.Unreadable) {
        this.report('unreadable_line', `expected a frame but found "${this.excerpt(start, end)}"`)
        return
      }
    }
    if (++this.depth > deepestStackLines) {
      if (this.depth === deepestStackLines + 1)
        this.report('stack_too_deep', `a stack of more than ${deepestStackLines} lines was cut`)
      return
    }
    this.node = stacks.add(this.node, window, start, length)
  }

  /** Takes the frame that perf prints behind the trace text when a sample has one address and no call chain. */
  private readInlineFrame(): void {
    const { record, window } = this
    if (record.traceEnd === record.traceStart) return
    const start = inlineFrameStart(window.bytes, record.traceStart, record.traceEnd)
    if (start >= 0) {
      this.node = this.stacks.add(0, window, start, this.headEnd - start)
      record.traceEnd = Math.max(record.traceStart, start)
      while (record.traceEnd > record.traceStart && window.bytes[record.traceEnd - 1] === Byte.space) record.traceEnd--
    }
    if (record.nameEnd === record.nameStart && record.traceEnd > record.traceStart) {
      this.report('no_event', 'the record names no event; write the text with "event" among the fields of -F')
    }
  }

  private deliver(): boolean {
    this.afterSideband = this.phase === Phase.Idle
    this.phase = Phase.Idle
    const { record, window } = this
    const added = window.pos === window.end ? this.addedBytes : 0
    record.bytes = window.streamPos - added - record.offsetBytes
    if (this.recordLog.counts.size > 0) this.log.absorb(this.recordLog)
    return true
  }

  private newEpoch(): void {
    this.stacks = new StackTable()
    this.frames.clear()
    this.assembled.clear()
    this.lineClasses.clear()
    this.epoch++
  }

  private frame(line: number, text: string): PerfFrame {
    let frame = this.frames.get(line)
    if (frame === undefined) {
      frame = parseFrame(text)
      this.frames.set(line, frame)
    }
    return frame
  }

  private report(name: ProblemName, detail: string): void {
    const log = this.phase === Phase.InSample ? this.recordLog : this.log
    log.add({ name, offsetBytes: this.window.streamPos - this.skippedBytes, line: this.line, detail })
  }

  private excerpt(start: number, end: number): string {
    const longest = 80
    const text = this.window.bytes.toString('utf8', start, Math.min(end, start + longest))
    return end - start > longest ? `${text}…` : text
  }
}
