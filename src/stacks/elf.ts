import { BinaryView } from './bytes.js'

/** Reads a part of a file; returns fewer bytes at its end. */
export type ReadAt = (offsetBytes: number, sizeBytes: number) => Uint8Array

export interface Segment {
  readonly address: number
  readonly offsetBytes: number
  readonly fileBytes: number
  readonly executable: boolean
  readonly writable: boolean
}

export interface Section {
  readonly name: string
  readonly type: number
  readonly address: number
  readonly offsetBytes: number
  readonly sizeBytes: number
}

const sectionType = { symbolTable: 2, relocationsWithAddend: 4, noBits: 8 } as const
const segmentType = { load: 1, dynamic: 2 } as const
const dynamicTag = { rela: 7, relaSize: 8 } as const
const maxSections = 4096
const maxPrograms = 128
const maxStringTableBytes = 1 << 20

/** e_machine → number of the relocation "base address plus addend". */
const relativeRelocation: ReadonlyMap<number, number> = new Map([
  [21, 22], // ppc64
  [22, 12], // s390x
  [62, 8], // x86-64
  [183, 1027], // arm64
  [243, 3], // riscv64
  [258, 3], // loong64
])

/** Where things lie in the two classes of ELF files (ELF specification, "ELF header" and below). */
const layouts = {
  4: {
    headerBytes: 52,
    phoff: 28,
    shoff: 32,
    phentsize: 42,
    program: { flags: 24, offset: 4, address: 8, fileBytes: 16 },
  },
  8: {
    headerBytes: 64,
    phoff: 32,
    shoff: 40,
    phentsize: 54,
    program: { flags: 4, offset: 8, address: 16, fileBytes: 32 },
  },
} as const

/** An ELF file of which only the parts that are asked for are read. Addresses are those the file was linked at. */
export class ElfImage {
  readonly segments: readonly Segment[]
  /** Empty when the section headers were stripped too. */
  readonly sections: readonly Section[]

  private constructor(
    private readonly readAt: ReadAt,
    private readonly header: BinaryView,
    programs: readonly Program[],
    sections: readonly Section[],
  ) {
    this.segments = programs.filter(({ type }) => type === segmentType.load)
    this.sections = sections
    this.dynamic = programs.find(({ type }) => type === segmentType.dynamic)
  }

  private readonly dynamic: Segment | undefined

  /** Undefined when the file is no ELF file. */
  static open(readAt: ReadAt): ElfImage | undefined {
    const ident = readAt(0, 64)
    if (ident.length < 52 || ident[0] !== 0x7f || ident[1] !== 0x45 || ident[2] !== 0x4c || ident[3] !== 0x46) return
    const pointerBytes = ident[4] === 2 ? 8 : 4
    const header = new BinaryView(ident, ident[5] !== 2, pointerBytes)
    if (header.sizeBytes < layouts[pointerBytes].headerBytes) return
    return new ElfImage(readAt, header, readPrograms(readAt, header), readSections(readAt, header))
  }

  get littleEndian(): boolean {
    return this.header.littleEndian
  }

  get pointerBytes(): 4 | 8 {
    return this.header.pointerBytes
  }

  /** Whether the file has its full symbol table, from which perf takes its names. */
  get hasSymbols(): boolean {
    return this.sections.some(({ type }) => type === sectionType.symbolTable)
  }

  /** Bytes at a file offset. */
  read(offsetBytes: number, sizeBytes: number): BinaryView {
    const usable = offsetBytes >= 0 && sizeBytes > 0
    const bytes = usable ? this.readAt(offsetBytes, sizeBytes) : new Uint8Array(0)
    return new BinaryView(bytes, this.littleEndian, this.pointerBytes)
  }

  /** Bytes at an address as they are in the file, cut at the segment's end; none where nothing is mapped. */
  readAddress(address: number, sizeBytes: number): BinaryView {
    const segment = this.segmentAt(address)
    if (segment === undefined) return this.read(0, 0)
    const into = address - segment.address
    return this.read(segment.offsetBytes + into, Math.min(sizeBytes, segment.fileBytes - into))
  }

  /** As readAddress, with the relocations applied that the loader would apply: position-independent programs may have zeros in the file. */
  readRelocated(address: number, sizeBytes: number): BinaryView {
    let view = this.readAddress(address, sizeBytes)
    const end = address + view.sizeBytes
    let isOwn = false
    this.visitRelativeRelocations((at, target) => {
      if (at < address || at >= end) return
      // The reader may have handed out a part of its own bytes.
      if (!isOwn) view = new BinaryView(view.bytes.slice(), this.littleEndian, this.pointerBytes)
      isOwn = true
      view.setPointer(at - address, target)
    })
    return view
  }

  segmentAt(address: number): Segment | undefined {
    return this.segments.find((segment) => address >= segment.address && address < segment.address + segment.fileBytes)
  }

  /** Calls back with the address of every pointer that the loader moves, and where it points to. */
  visitRelativeRelocations(visit: (address: number, target: number) => void): void {
    const wanted = relativeRelocation.get(this.header.u16(18))
    if (wanted === undefined || this.dynamic === undefined || this.pointerBytes !== 8) return
    const entryBytes = 24
    const { address, sizeBytes } = this.relocationTable(this.dynamic)
    for (let done = 0; done < sizeBytes;) {
      const view = this.readAddress(address + done, Math.min(sizeBytes - done, entryBytes << 13))
      const whole = view.sizeBytes - (view.sizeBytes % entryBytes)
      if (whole === 0) return
      const typeAt = this.littleEndian ? 8 : 12
      for (let at = 0; at < whole; at += entryBytes) {
        if (view.u32(at + typeAt) === wanted) visit(view.u64(at), view.u64(at + 16))
      }
      done += whole
    }
  }

  private relocationTable(dynamic: Segment): { address: number; sizeBytes: number } {
    const view = this.read(dynamic.offsetBytes, Math.min(dynamic.fileBytes, 1 << 16))
    const found = { address: 0, sizeBytes: 0 }
    for (let at = 0; at + 16 <= view.sizeBytes; at += 16) {
      if (view.u64(at) === dynamicTag.rela) found.address = view.u64(at + 8)
      else if (view.u64(at) === dynamicTag.relaSize) found.sizeBytes = view.u64(at + 8)
    }
    return found
  }
}

interface Program extends Segment {
  readonly type: number
}

function readPrograms(readAt: ReadAt, header: BinaryView): Program[] {
  const { phoff, phentsize, program } = layouts[header.pointerBytes]
  const entryBytes = header.u16(phentsize)
  const count = Math.min(header.u16(phentsize + 2), maxPrograms)
  return readTable(readAt, header, header.pointer(phoff), entryBytes, count, (view, at) => ({
    type: view.u32(at),
    executable: (view.u32(at + program.flags) & 1) !== 0,
    writable: (view.u32(at + program.flags) & 2) !== 0,
    offsetBytes: view.pointer(at + program.offset),
    address: view.pointer(at + program.address),
    fileBytes: view.pointer(at + program.fileBytes),
  }))
}

function readSections(readAt: ReadAt, header: BinaryView): Section[] {
  const { shoff, phentsize } = layouts[header.pointerBytes]
  const word = header.pointerBytes
  const entryBytes = header.u16(phentsize + 4)
  const count = Math.min(header.u16(phentsize + 6), maxSections)
  const rows = readTable(readAt, header, header.pointer(shoff), entryBytes, count, (view, at) => ({
    nameAt: view.u32(at),
    type: view.u32(at + 4),
    address: view.pointer(at + 8 + word),
    offsetBytes: view.pointer(at + 8 + 2 * word),
    sizeBytes: view.pointer(at + 8 + 3 * word),
  }))
  const strings = rows[header.u16(phentsize + 8)]
  const names = viewLike(
    header,
    strings === undefined ? none : readWithin(readAt, strings.offsetBytes, strings.sizeBytes),
  )
  return rows.map(({ nameAt, ...row }) => ({ ...row, name: names.text(nameAt, 256) }))
}

const none = new Uint8Array(0)

function readWithin(readAt: ReadAt, offsetBytes: number, sizeBytes: number): Uint8Array {
  return offsetBytes >= 0 && sizeBytes > 0 ? readAt(offsetBytes, Math.min(sizeBytes, maxStringTableBytes)) : none
}

function viewLike(header: BinaryView, bytes: Uint8Array): BinaryView {
  return new BinaryView(bytes, header.littleEndian, header.pointerBytes)
}

function readTable<Row>(
  readAt: ReadAt,
  header: BinaryView,
  offsetBytes: number,
  entryBytes: number,
  count: number,
  row: (view: BinaryView, at: number) => Row,
): Row[] {
  const smallest = header.pointerBytes === 8 ? 56 : 32
  if (!(offsetBytes > 0) || !(entryBytes >= smallest)) return []
  const view = viewLike(header, readAt(offsetBytes, count * entryBytes))
  return Array.from({ length: Math.floor(view.sizeBytes / entryBytes) }, (_, index) => row(view, index * entryBytes))
}
