import { ElfImage, type ReadAt } from './elf.js'
import { SymbolNames } from './pclntab/symbolNames.js'
import { GoSymbolTable } from './pclntab/table.js'

/** Functions that a Go stack begins with: a goroutine's, a thread's, or where the runtime changed to the system's stack. */
const outermost = /^(?:runtime\.(?:goexit|mstart|rt0_go|mcall|systemstack|morestack|asmcgocall|cgocallback)|_rt0_\w+)$/

/** A Go executable that can name its functions without a symbol table. Addresses are those it was linked at. */
export class GoProgram {
  private readonly names: SymbolNames

  private constructor(
    private readonly image: ElfImage,
    readonly table: GoSymbolTable,
  ) {
    this.names = new SymbolNames(table)
  }

  /** Undefined when the file is no Go program of a version from 1.16. */
  static open(readAt: ReadAt): GoProgram | undefined {
    const image = ElfImage.open(readAt)
    const table = image === undefined ? undefined : GoSymbolTable.read(image)
    return image === undefined || table === undefined ? undefined : new GoProgram(image, table)
  }

  /** Address of what lies at this offset of the file; undefined outside its code. */
  addressOfOffset(offsetBytes: number): number | undefined {
    const segment = this.image.segments.find(
      (part) => part.executable && offsetBytes >= part.offsetBytes && offsetBytes < part.offsetBytes + part.fileBytes,
    )
    return segment === undefined ? undefined : segment.address + offsetBytes - segment.offsetBytes
  }

  /** Whether the file has code at this offset or address, which may be C's. */
  holdsCode(place: number): boolean {
    return this.addressOfOffset(place) !== undefined || this.image.segmentAt(place)?.executable === true
  }

  contains(pc: number): boolean {
    return this.table.indexOf(pc) >= 0
  }

  isOutermost(pc: number): boolean {
    const index = this.table.indexOf(pc)
    return index >= 0 && outermost.test(this.table.name(index))
  }

  /** Name of the function, as the ELF symbol table of the unstripped program has it; undefined outside Go's code. */
  symbol(pc: number): string | undefined {
    const index = this.table.indexOf(pc)
    return index < 0 ? undefined : this.names.name(index)
  }

  /** The same below the functions that were inlined into it there, leaf first. */
  symbols(pc: number): readonly string[] {
    const symbol = this.symbol(pc)
    if (symbol === undefined) return []
    // The address behind a call, which most frames have, can already belong to the next line: it is the byte before that counts.
    const inside = this.contains(pc - 1) && this.symbol(pc - 1) === symbol ? pc - 1 : pc
    const inlined = this.table.resolve(inside).filter((frame) => frame.inlined)
    return [...inlined.map(({ func }) => func), symbol]
  }
}
