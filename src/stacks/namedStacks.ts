import { grown } from '../perf/byteTable.js'
import type { PerfFrame, PerfScriptReader } from '../perf/index.js'
import { SequenceTable } from '../perf/sequenceTable.js'
import { foldedNames, shortTypeArguments } from './foldedNames.js'
import { Interned } from './interned.js'
import type { NamedShare } from './namedShare.js'

/** Names for a frame that perf could not name, callees first; undefined where none is known. */
export type Repair = (frame: PerfFrame) => readonly string[] | undefined
/** Sees a stack, leaf first, before a frame that is new in it is to be repaired. */
export type Learn = (stack: readonly PerfFrame[]) => void

export interface NamingOptions {
  readonly repair?: Repair | undefined
  readonly learn?: Learn | undefined
  readonly shortGenerics?: boolean | undefined
}

const unnamed = '[unknown]'

/** A printed line that is not simply one function. */
interface SpecialLine {
  /** Callees first. */
  readonly names: readonly number[]
  readonly hadNoName: boolean
  readonly hasNoName: boolean
}

/** Code of a line not seen in this epoch. That of a function is its name's number; special lines have the codes below. */
const unseen = -1

/** Stacks of function names, each distinct one kept once. */
export class NamedStacks {
  /** Of the stacks asked for, each time they were. */
  readonly share: NamedShare = { frames: 0, namedBefore: 0, namedAfter: 0 }
  private readonly names = new Interned()
  /** Stacks as sequences of names, callees first. */
  private readonly stacks = new SequenceTable()
  private epoch = 0
  /** The reader's line → its code; of this epoch, like the special lines. */
  private codes = new Int32Array(1 << 10).fill(unseen)
  private special: SpecialLine[] = []
  /** The reader's symbol → the code of the lines that name it. */
  private codeOfSymbol: (number | undefined)[] = []
  /** The stack being put together. */
  private open = new Int32Array(1 << 8)
  private depth = 0

  constructor(
    private readonly reader: PerfScriptReader,
    private readonly options: NamingOptions,
  ) {}

  /** Number of the stack of the reader's current record, 0 for the empty one. */
  current(): number {
    const { reader } = this
    if (this.epoch !== reader.epoch) this.forget()
    this.depth = 0
    let unnamedBefore = 0
    let unnamedAfter = 0
    for (let i = 0, lines = reader.stackDepth; i < lines; i++) {
      const line = reader.stackLine(i)
      let code = line < this.codes.length ? this.codes[line]! : unseen
      if (code === unseen) code = this.meet(line)
      if (code >= 0) {
        this.add(code)
        continue
      }
      const special = this.special[unseen - 1 - code]!
      for (const name of special.names) this.add(name)
      if (special.hadNoName) unnamedBefore++
      if (special.hasNoName) unnamedAfter++
    }
    this.share.frames += this.depth
    this.share.namedBefore += this.depth - unnamedBefore
    this.share.namedAfter += this.depth - unnamedAfter
    return this.stacks.intern(this.open, this.depth)
  }

  /** Puts the function names of a stack behind what `parts` holds, callers first. */
  append(stack: number, parts: string[]): void {
    const names = this.stacks.sequence(stack)
    for (let i = names.length - 1; i >= 0; i--) parts.push(this.names.texts[names[i]!]!)
  }

  private add(name: number): void {
    if (this.depth === this.open.length) this.open = grown(this.open, this.depth * 2)
    this.open[this.depth++] = name
  }

  /** Finds the code of a line of the current stack. Lines are many, as they have addresses; what they name is less. */
  private meet(line: number): number {
    const symbol = this.reader.lineSymbol(line)
    const code = symbol < 0 ? this.codeOf(line) : (this.codeOfSymbol[symbol] ??= this.codeOf(line))
    while (line >= this.codes.length) {
      const { length } = this.codes
      this.codes = grown(this.codes, length * 2).fill(unseen, length)
    }
    this.codes[line] = code
    return code
  }

  private codeOf(line: number): number {
    const special = this.specialLine(this.reader.lineFrame(line))
    const isOne = special.names.length === 1 && !special.hadNoName
    return isOne ? special.names[0]! : unseen - this.special.push(special)
  }

  private specialLine(frame: PerfFrame | undefined): SpecialLine {
    const hadNoName = frame?.symbol === unnamed
    const { learn, repair, shortGenerics } = this.options
    if (hadNoName) learn?.(this.reader.stack(this.reader.record.stackId))
    const repaired = hadNoName ? repair?.(frame) : undefined
    const names =
      frame === undefined
        ? []
        : (repaired?.flatMap((symbol) => foldedNames({ ...frame, symbol })) ?? foldedNames(frame))
    const shortens = shortGenerics === true && frame?.kernel === false
    return {
      names: names.map((name) => this.names.id(shortens ? shortTypeArguments(name) : name)),
      hadNoName,
      hasNoName: hadNoName && repaired === undefined,
    }
  }

  private forget(): void {
    this.epoch = this.reader.epoch
    this.codes.fill(unseen)
    this.special = []
    this.codeOfSymbol = []
  }
}
