import { grown } from '../perf/byteTable.js'
import type { PerfFrame, PerfScriptReader } from '../perf/index.js'
import { SequenceTable } from '../perf/sequenceTable.js'
import { foldedNames } from './foldedNames.js'
import { Interned } from './interned.js'

type Repair = (frame: PerfFrame) => readonly string[] | undefined

/** Stacks of function names. The reader's stacks are of printed lines, addresses included, so many of them lead to one of these. */
export class NamedStacks {
  private readonly names = new Interned()
  /** Stacks as sequences of names, callees first. */
  private readonly stacks = new SequenceTable()
  private epoch = 0
  /** The reader's stack → ours + 1, 0 = not known yet; of this epoch, like the names of its lines. */
  private stackOf = new Int32Array(1 << 10)
  private namesOfLine: (readonly number[] | undefined)[] = []
  /** The stack being put together. */
  private open = new Int32Array(1 << 8)

  constructor(
    private readonly reader: PerfScriptReader,
    private readonly repair: Repair | undefined,
  ) {}

  /** Number of the stack of the reader's current record, 0 for the empty one. */
  number(stackId: number): number {
    if (this.epoch !== this.reader.epoch) this.forget()
    while (stackId >= this.stackOf.length) this.stackOf = grown(this.stackOf, this.stackOf.length * 2)
    const known = this.stackOf[stackId]!
    if (known !== 0) return known - 1
    const number = this.intern(stackId)
    this.stackOf[stackId] = number + 1
    return number
  }

  /** Function names of a stack, callers first. */
  namesOf(number: number): string[] {
    return Array.from(this.stacks.sequence(number), (name) => this.names.texts[name]!).reverse()
  }

  private intern(stackId: number): number {
    let depth = 0
    for (const line of this.reader.stackLines(stackId)) {
      const names = (this.namesOfLine[line] ??= this.namesOfNewLine(line))
      for (const name of names) {
        if (depth === this.open.length) this.open = grown(this.open, depth * 2)
        this.open[depth++] = name
      }
    }
    return this.stacks.intern(this.open, depth)
  }

  private namesOfNewLine(line: number): readonly number[] {
    const frame = this.reader.lineFrame(line)
    if (frame === undefined) return []
    const repaired = frame.symbol === '[unknown]' ? this.repair?.(frame) : undefined
    return (repaired ?? foldedNames(frame)).map((name) => this.names.id(name))
  }

  private forget(): void {
    this.epoch = this.reader.epoch
    this.stackOf.fill(0)
    this.namesOfLine = []
  }
}
