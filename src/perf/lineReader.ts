import { Byte } from './bytes.js'
import { ProblemLog, type ProblemName } from './problems.js'
import { ByteWindow } from './window.js'

/** A line longer than this is not text that perf wrote. */
export const longestLineBytes = 1 << 20

/** The stream as lines that can be told their place, and the problems found in them. */
export class LineReader {
  readonly window: ByteWindow
  readonly log: ProblemLog
  /** Number of the line at `window.pos`, from 1. */
  line = 1
  ended = false
  /** Below a sample's first line. */
  inRecord = false
  /** Problems of the record being read: they count once it is delivered, so that a state saved before does not hold them. */
  private readonly recordLog: ProblemLog
  /** Bytes of a line too long to keep that are already gone, 0 = none. */
  private skippedBytes = 0
  /** Newline added by `end()`. */
  private addedBytes = 0

  constructor(streamPos: number, strict: boolean) {
    this.window = new ByteWindow(streamPos)
    this.log = new ProblemLog(strict)
    this.recordLog = new ProblemLog(strict)
  }

  /** Stream position of the first byte that is not behind us. */
  get streamPos(): number {
    const { window } = this
    return window.streamPos - this.skippedBytes - (window.pos === window.end ? this.addedBytes : 0)
  }

  get isSkipping(): boolean {
    return this.skippedBytes > 0
  }

  /** True once every byte of an ended stream has been taken. */
  get isOver(): boolean {
    return this.ended && this.window.pos === this.window.end
  }

  /** No more bytes: the last line counts even without its newline. */
  end(): void {
    const { window } = this
    const isUnfinished = window.end > window.pos && window.bytes[window.end - 1] !== Byte.newline
    // What must stay in the buffer stays: the newline is put behind the end, for which there is always room.
    if (isUnfinished || this.isSkipping) {
      window.bytes[window.end++] = Byte.newline
      this.addedBytes = 1
    }
    this.ended = true
  }

  /** Position of the newline of the line at `window.pos`, which is not too long; -1 when bytes are missing. */
  take(): number {
    const { window } = this
    for (;;) {
      const end = window.lineEnd()
      if (end < 0) {
        const length = window.end - window.pos
        if (this.isSkipping || length > longestLineBytes) {
          this.skippedBytes += length
          window.moveTo(window.end)
        }
        return -1
      }
      if (!this.isSkipping && end - window.pos <= longestLineBytes) return end
      const length = this.skippedBytes + end - window.pos
      this.report(
        'line_too_long',
        `a line of ${length} bytes was skipped; the longest readable one has ${longestLineBytes}`,
      )
      this.skippedBytes = 0
      this.pass(end)
    }
  }

  /** Moves behind the line that ends at `end`. */
  pass(end: number): void {
    this.window.moveTo(end + 1)
    this.line++
  }

  /** End of the text of a line whose newline is at `end`: without the carriage return. */
  textEnd(start: number, end: number): number {
    return end > start && this.window.bytes[end - 1] === Byte.return ? end - 1 : end
  }

  /** Adds a problem at the line being read. @throws UserError when strict */
  report(name: ProblemName, detail: string): void {
    const log = this.inRecord ? this.recordLog : this.log
    log.add({ name, offsetBytes: this.window.streamPos - this.skippedBytes, line: this.line, detail })
  }

  /** The record's problems count from now on. */
  closeRecord(): void {
    this.inRecord = false
    if (this.recordLog.counts.size > 0) this.log.absorb(this.recordLog)
  }

  excerpt(start: number, end: number): string {
    const longest = 80
    const text = this.window.bytes.toString('utf8', start, Math.min(end, start + longest))
    return end - start > longest ? `${text}…` : text
  }
}
