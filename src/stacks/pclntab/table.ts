import type { BinaryView } from '../bytes.js'
import { ElfImage } from '../elf.js'
import { entryBytesOf, type Header, inlineTree, recordField } from './layout.js'
import { type LocatedTable, locateTable } from './locate.js'
import { pcValue } from './pcValue.js'

/** One call in Go source. */
export interface GoFrame {
  readonly func: string
  /** '' when the table says none. */
  readonly file: string
  /** 0 when the table says none. */
  readonly line: number
  /** The compiler put it into the function of the next frame. */
  readonly inlined: boolean
}

/** Go itself inlines far less deep; a damaged table that goes in circles ends here. */
const maxInlineDepth = 256
const none = 0xffffffff

/** Names, files and lines of a Go program (1.16 to 1.26), from the table that its runtime needs and no stripping removes. */
export class GoSymbolTable {
  /** First address behind the last function. */
  readonly textEnd: number
  private readonly view: BinaryView
  private readonly header: Header
  private readonly entryBytes: number
  /** Addresses of functions are counted from here. */
  private readonly base: number

  private constructor(
    private readonly image: ElfImage,
    private readonly located: LocatedTable,
  ) {
    this.view = located.view
    this.header = located.header
    this.entryBytes = entryBytesOf(this.header.layout, this.view.pointerBytes)
    this.base = this.header.layout.entries === 'absolute' ? 0 : located.textStart
    this.textEnd = this.entry(this.functions)
  }

  /** The table of an executable's bytes; undefined when it is no ELF file or has no table of a known layout. */
  static parse(bytes: Uint8Array): GoSymbolTable | undefined {
    const image = ElfImage.open((offset, size) => bytes.subarray(offset, offset + size))
    return image === undefined ? undefined : GoSymbolTable.read(image)
  }

  /** The same for a file of which only the needed parts are read; later calls of `resolve` read inlined calls from it. */
  static read(image: ElfImage): GoSymbolTable | undefined {
    const located = locateTable(image)
    return located === undefined ? undefined : new GoSymbolTable(image, located)
  }

  get functions(): number {
    return this.header.functions
  }

  /** First Go version with the table's layout. */
  get since(): string {
    return this.header.layout.since
  }

  /** First address of the first function. */
  get textStart(): number {
    return this.entry(0)
  }

  /** Index of the function with this address, as the program was linked; -1 outside Go's text. */
  indexOf(pc: number): number {
    if (!(pc >= this.textStart && pc < this.textEnd)) return -1
    let low = 0
    let high = this.functions
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.entry(middle) <= pc) low = middle
      else high = middle
    }
    return low
  }

  /** Address of a function's first instruction. */
  entry(index: number): number {
    const at = this.header.functionsAt + 2 * index * this.entryBytes
    return this.base + (this.entryBytes === 8 ? this.view.u64(at) : this.view.u32(at))
  }

  /** Name of a function as the runtime knows it. Go 1.18 to 1.20 write `[...]` in place of type arguments. */
  name(index: number): string {
    return this.nameAt(this.view.u32(this.record(index) + recordField.name))
  }

  /** File of a function's first instruction. */
  file(index: number): string {
    return this.fileOf(this.record(index), 0)
  }

  /** Whether the compiler described the function's arguments for the garbage collector: it does so for functions Go code can call. */
  hasArguments(index: number): boolean {
    return this.funcData(this.record(index), 0) !== undefined
  }

  /**
   * The calls an address belongs to, leaf first: inlined ones, then the function itself; empty outside Go's text. `pc` is an address
   * as the program was linked. Give a return address less one, so that it lies in the call.
   */
  resolve(pc: number): readonly GoFrame[] {
    const index = this.indexOf(pc)
    if (index < 0) return []
    const record = this.record(index)
    const frames: GoFrame[] = []
    let distance = pc - this.entry(index)
    while (frames.length < maxInlineDepth) {
      const call = this.inlinedCall(record, distance)
      const func = call === undefined ? this.name(index) : this.nameAt(call.u32(this.header.layout.inlinedCall.nameAt))
      frames.push({ func, ...this.position(record, distance), inlined: call !== undefined })
      if (call === undefined) return frames
      distance = call.i32(this.header.layout.inlinedCall.parentPcAt)
    }
    return frames.slice(-1).map((frame) => ({ ...frame, func: this.name(index), inlined: false }))
  }

  private nameAt(offset: number): string {
    const { namesAt, unitsAt } = this.header
    return offset < unitsAt - namesAt ? this.view.text(namesAt + offset) : ''
  }

  /** Where a function's record is, without its entry. */
  private record(index: number): number {
    const at = this.header.functionsAt + (2 * index + 1) * this.entryBytes
    const offset = this.entryBytes === 8 ? this.view.u64(at) : this.view.u32(at)
    return this.header.functionsAt + offset + this.entryBytes
  }

  private position(record: number, distance: number): { file: string; line: number } {
    const line = this.value(this.view.u32(record + recordField.pcLine), distance)
    return { file: this.fileOf(record, distance), line: Math.max(line, 0) }
  }

  private fileOf(record: number, distance: number): string {
    const unit = this.view.u32(record + recordField.fileUnit)
    const file = this.value(this.view.u32(record + recordField.pcFile), distance)
    if (file < 0 || unit === none) return ''
    const { unitsAt, filesAt, pcValuesAt } = this.header
    const unitEntryAt = unitsAt + (unit + file) * 4
    const offset = unitEntryAt < filesAt ? this.view.u32(unitEntryAt) : none
    return offset < pcValuesAt - filesAt ? this.view.text(filesAt + offset) : ''
  }

  private value(table: number, distance: number): number {
    const { pcValuesAt, functionsAt, quantum } = this.header
    // The first byte is padding, so that 0 can mean "no table".
    const exists = table > 0 && pcValuesAt + table < functionsAt
    return exists ? pcValue(this.view, pcValuesAt + table, quantum, distance) : -1
  }

  /** The record of the innermost inlined call at a distance from the function's entry; undefined for the function's own code. */
  private inlinedCall(record: number, distance: number): BinaryView | undefined {
    const { recordTailBytes, inlinedCall } = this.header.layout
    const pcDataCount = this.view.u32(record + recordField.pcDataCount)
    const tables = record + recordTailBytes
    if (!(pcDataCount > inlineTree.pcData)) return
    const call = this.value(this.view.u32(tables + 4 * inlineTree.pcData), distance)
    const tree = call < 0 ? undefined : this.funcData(record, inlineTree.funcData)
    if (tree === undefined) return
    const view = this.image.readAddress(tree + call * inlinedCall.sizeBytes, inlinedCall.sizeBytes)
    return view.sizeBytes === inlinedCall.sizeBytes ? view : undefined
  }

  /** Address of one of a function's data records. */
  private funcData(record: number, number: number): number | undefined {
    const { recordTailBytes, entries } = this.header.layout
    const { funcDataBase } = this.located
    const count = this.view.u8(record + recordTailBytes - 1)
    if (!(count > number) || funcDataBase === undefined) return
    const listAt = record + recordTailBytes + 4 * this.view.u32(record + recordField.pcDataCount)
    if (entries === 'offset') {
      const offset = this.view.u32(listAt + 4 * number)
      return offset === none ? undefined : funcDataBase + offset
    }
    const { pointerBytes } = this.view
    const alignedAt = Math.ceil(listAt / pointerBytes) * pointerBytes
    const address = this.view.pointer(alignedAt + pointerBytes * number)
    return address > 0 ? address : undefined
  }
}
