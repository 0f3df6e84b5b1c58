import { inlineFrameStart } from './body.js'
import { Byte, spacesBack } from './bytes.js'
import { EventTable, EventTrait } from './events.js'
import { LineClass } from './frame.js'
import { commBytes, Head, parseTimelessHead } from './head.js'
import { HeadCache } from './headCache.js'
import { emptyHeader, withHeaderLine, type PerfEventHeader, type PerfHeader } from './header.js'
import type { LineReader } from './lineReader.js'
import type { PerfRecord } from './record.js'
import type { RecordTimes } from './recordTimes.js'
import { StackStore } from './stackStore.js'

/** The kernel's limit of a call chain (perf_event_max_stack) is 65,536; source lines and inlined frames come on top. */
const deepestStackLines = 1 << 18

/** Reads the lines of a sample below its first one, which it tells from the next record's and from comments. */
export class SampleReader {
  stacks = new StackStore()
  header: PerfHeader = emptyHeader
  events = new EventTable()
  /** Filled by `readHead`. */
  readonly head = new Head()
  private readonly heads = new HeadCache()
  /** A stack was found to have too many lines. */
  private isCut = false
  /** Stream position of the line whose head is in `head` already, as it ended the sample above it; -1 = none. */
  private headReadAt = -1

  constructor(
    private readonly lines: LineReader,
    private readonly times: RecordTimes,
    private readonly record: PerfRecord,
  ) {}

  /** To be called when bytes have moved. */
  forgetHead(): void {
    this.headReadAt = -1
  }

  /** Whether the line at `window.pos`, whose text ends at `end`, begins a record. */
  readHead(end: number): boolean {
    const { head, times } = this
    const { window } = this.lines
    const { bytes, pos } = window
    if (this.headReadAt === window.streamPos) return true
    if (bytes[pos] === Byte.tab) return false
    const isComment = bytes[pos] === Byte.hash
    // A `#` line is a comment unless it reads as a record of a thread whose name starts so.
    if (this.heads.read(window, pos, end, head)) return !isComment || head.commEnd - pos <= commBytes
    // Nothing anchors a head without a time, so it is looked for only in text that has shown no time yet.
    if (times.baseNs !== undefined || isComment) return false
    return parseTimelessHead(bytes, pos, end, head)
  }

  readComment(end: number): void {
    const { window } = this.lines
    const known = this.header.events.length
    this.header = withHeaderLine(this.header, window.bytes.toString('utf8', window.pos, end).trimEnd())
    const event = this.header.events[known]
    if (event === undefined) return
    this.events.expect(event.name)
    this.checkSampling(event)
  }

  /** One sentence for all events: what sampled one tracepoint, mostly a global `-F`, sampled the others too. */
  private checkSampling({ name, isSampled, sampleFreq, samplePeriod }: PerfEventHeader): void {
    if (!isSampled) return
    const isFirst = this.events.sampled.size === 0
    this.events.markSampled(name, this.lines.streamPos)
    if (!isFirst) return
    const how = sampleFreq === undefined ? `one in ${samplePeriod ?? 0}` : `${sampleFreq} a second`
    const instead =
      sampleFreq === undefined ? 'without -c' : `with -e 'cpu-clock/freq=${sampleFreq}/' instead of -F ${sampleFreq}`
    this.lines.report(
      'sampled_tracepoint',
      `perf recorded only some events of ${name} (${how}), and of others likewise: no durations are computed from such events; record ${instead}`,
    )
  }

  /** Where no header has told that a tracepoint was sampled, a period other than 1 does. */
  checkPeriod(): void {
    const { record, events } = this
    const { eventId, period, traits } = record
    const exempt = EventTrait.OwnPeriod | EventTrait.Sampled
    if (period === 1 || (traits & (EventTrait.Tracepoint | exempt)) !== EventTrait.Tracepoint) return
    const name = events.names[eventId]!
    events.markSampled(name, record.offsetBytes)
    record.traits |= EventTrait.Sampled
    if (this.header.events.some((event) => event.isSampled)) return
    this.lines.report(
      'sampled_tracepoint',
      `perf recorded only some events of ${name} (this one stands for ${period}): no durations are computed from such events; record with -e 'cpu-clock/freq=N/' instead of -F N`,
    )
  }

  begin(): void {
    this.stacks.table.begin()
    this.isCut = false
  }

  get hasStack(): boolean {
    return this.stacks.table.depth > 0
  }

  /** Reads on until the sample is complete. False when bytes are missing. */
  read(): boolean {
    const { lines } = this
    const { window } = lines
    for (;;) {
      this.readKnownLines()
      if (lines.isOver && !lines.isSkipping) return true
      const end = lines.take()
      if (end < 0) return lines.isOver
      const start = window.pos
      const textEnd = lines.textEnd(start, end)
      if (textEnd === start) {
        lines.pass(end)
        return true
      }
      if (this.endsSample(textEnd)) return true
      if (window.bytes[start] === Byte.hash) this.readComment(textEnd)
      else this.addLine(start, end)
      lines.pass(end)
    }
  }

  /** Takes the frame that perf prints behind the trace text when a sample has one address and no call chain. */
  readInlineFrame(): void {
    const { record } = this
    const { window } = this.lines
    const { bytes } = window
    if (record.traceEnd === record.traceStart) return
    let start = this.readKnownInlineFrame()
    if (start < 0) {
      start = inlineFrameStart(bytes, record.traceStart, record.traceEnd)
      if (start >= 0) {
        this.stacks.inlineLines[record.eventId] = this.stacks.table.add(window, start, record.headEnd - start)
      }
    }
    if (start >= 0) {
      record.traceEnd = spacesBack(bytes, record.traceStart, Math.max(record.traceStart, start))
    }
    if (record.nameEnd === record.nameStart && record.traceEnd > record.traceStart) {
      this.lines.report('no_event', 'the record names no event; write the text with "event" among the fields of -F')
    }
  }

  /** Start of the frame behind the trace text when it is the one this event had last, else -1. */
  private readKnownInlineFrame(): number {
    const { record, stacks } = this
    const { window } = this.lines
    const line = stacks.inlineLines[record.eventId]
    if (line === undefined) return -1
    const start = record.headEnd - stacks.table.lines.length(line)
    if (start <= record.nameEnd || window.bytes[start - 1] !== Byte.space) return -1
    if (!stacks.table.lines.matches(line, window.view, start)) return -1
    stacks.table.push(line)
    return start
  }

  /** Takes frames that were seen before, by comparing bytes only. */
  private readKnownLines(): void {
    const { lines, stacks } = this
    const { window } = lines
    const { table } = stacks
    if (lines.isSkipping || (table.depth === 0 && window.bytes[window.pos] !== Byte.tab)) return
    const depth = table.depth
    window.moveTo(table.readKnown(window, window.pos, window.end, deepestStackLines))
    lines.line += table.depth - depth
  }

  /** Whether the line does not belong to the sample above: that one has no call chain, or lost its blank line. */
  private endsSample(end: number): boolean {
    const { window } = this.lines
    const first = window.bytes[window.pos]
    if (first === Byte.tab) return false
    if (this.readHead(end)) {
      this.headReadAt = window.streamPos
      return true
    }
    // Words of an old --inline stand in the first column, but only below frames.
    return first !== Byte.space && first !== Byte.hash && !this.hasStack
  }

  private addLine(start: number, end: number): void {
    const { lines, stacks } = this
    const { window } = lines
    const length = end + 1 - start
    if (window.bytes[start] === Byte.space) {
      // A source position below a single-line sample belongs to the frame on that line.
      if (!this.hasStack) this.readInlineFrame()
      if (stacks.classOf(window, start, length) === LineClass.Unreadable) {
        lines.report('unreadable_line', `expected a frame but found "${lines.excerpt(start, end)}"`)
        return
      }
    }
    if (stacks.table.depth < deepestStackLines) stacks.table.add(window, start, length)
    else if (!this.isCut) {
      this.isCut = true
      lines.report('stack_too_deep', `a stack of more than ${deepestStackLines} lines was cut`)
    }
  }
}
