import type { ByteSource } from './bytes.js'
import { assembleStack, classifyLine, parseFrame, LineClass, type PerfFrame } from './frame.js'
import { ByteTable } from './byteTable.js'
import { findPlainSymbol, SymbolPlace } from './plainSymbol.js'
import { StackTable } from './stackTable.js'

/** Interned stacks with their frames decoded once. */
export class StackStore {
  readonly table = new StackTable()
  /** The last frame read behind the trace text, by event: most events are raised at one place. */
  readonly inlineLines: (number | undefined)[] = []
  private readonly symbols = new ByteTable()
  private readonly place = new SymbolPlace()
  private readonly frames = new Map<string, PerfFrame>()
  private readonly stacks = new Map<number, readonly PerfFrame[]>()
  private readonly classes = new Map<number, LineClass>()

  /** Distinct lines, or a fourth of the lines of all distinct stacks when that is more: about what both take in memory. */
  get size(): number {
    return Math.max(this.table.lines.size, this.table.stacks.length >> 2)
  }

  /** Frames, leaf first. */
  stack(id: number): readonly PerfFrame[] {
    let stack = this.stacks.get(id)
    if (stack === undefined) {
      const lines = Array.from(this.table.linesOf(id), (line) => this.lineText(line))
      stack = assembleStack(lines, (line) => this.frame(line))
      this.stacks.set(id, stack)
    }
    return stack
  }

  /** Number of the symbol that a line names, the same for lines that name the same; -1 when only `lineFrame` can tell. */
  lineSymbol(line: number): number {
    const { lines } = this.table
    const { place } = this
    const { source } = lines
    const start = lines.start(line)
    if (!findPlainSymbol(source.bytes, start, start + lines.length(line), place)) return -1
    return this.symbols.intern(source, place.start, place.end - place.start)
  }

  /** The frame that a line is on its own (an inlined one without its caller's dso); undefined for a source position. */
  lineFrame(line: number): PerfFrame | undefined {
    const text = this.lineText(line)
    return classifyLine(text) === LineClass.Source ? undefined : parseFrame(text)
  }

  /** Class of a line of `length` bytes that is no head, found out once per distinct line. */
  classOf(source: ByteSource, start: number, length: number): LineClass {
    const line = this.table.lines.intern(source, start, length)
    let lineClass = this.classes.get(line)
    if (lineClass === undefined) {
      lineClass = classifyLine(source.bytes.toString('utf8', start, start + length - 1))
      this.classes.set(line, lineClass)
    }
    return lineClass
  }

  private lineText(line: number): string {
    const text = this.table.lines.text(line)
    return text.endsWith('\r\n') ? text.slice(0, -2) : text.endsWith('\n') ? text.slice(0, -1) : text
  }

  private frame(line: string): PerfFrame {
    let frame = this.frames.get(line)
    if (frame === undefined) {
      frame = parseFrame(line)
      this.frames.set(line, frame)
    }
    return frame
  }
}
