import type { BinaryView } from '../bytes.js'

/**
 * What differs between the versions of Go's table of functions. Sources: src/runtime/symtab.go, runtime2.go and src/cmd/link/internal/ld/pcln.go
 * of each version, held against live binaries in test/stacks/pclntab.
 */
export interface Layout {
  /** First Go version that writes it. */
  readonly since: '1.16' | '1.18' | '1.20'
  readonly magic: number
  /** Function addresses: absolute pointers, or 32-bit offsets from the start of the text. */
  readonly entries: 'absolute' | 'offset'
  /** Header words before the five offsets: functions, files and (later) the start of the text. */
  readonly leadingWords: 2 | 3
  /** Bytes of a function's record after its entry and before its list of pc-data tables. */
  readonly recordTailBytes: 36 | 40
  /** Record of an inlined call, and where in it the name and the pc of the call stand. */
  readonly inlinedCall: { readonly sizeBytes: number; readonly nameAt: number; readonly parentPcAt: number }
  /** Word of runtime.moduledata with the base of function data; undefined where function data is pointed to directly. */
  readonly funcDataBaseWord: number | undefined
}

const longCall = { sizeBytes: 20, nameAt: 12, parentPcAt: 16 }
const shortCall = { sizeBytes: 16, nameAt: 4, parentPcAt: 8 }

export const layouts: readonly Layout[] = [
  {
    since: '1.16',
    magic: 0xfffffffa,
    entries: 'absolute',
    leadingWords: 2,
    recordTailBytes: 36,
    inlinedCall: longCall,
    funcDataBaseWord: undefined,
  },
  {
    since: '1.18',
    magic: 0xfffffff0,
    entries: 'offset',
    leadingWords: 3,
    recordTailBytes: 36,
    inlinedCall: longCall,
    funcDataBaseWord: 38,
  },
  {
    since: '1.20',
    magic: 0xfffffff1,
    entries: 'offset',
    leadingWords: 3,
    recordTailBytes: 40,
    inlinedCall: shortCall,
    funcDataBaseWord: 40,
  },
]

/** Fields of a function's record, in bytes after its entry; the same in all versions. */
export const recordField = { name: 0, pcFile: 16, pcLine: 20, pcDataCount: 24, fileUnit: 28 } as const
export const inlineTree = { pcData: 2, funcData: 3 } as const

/** The header of the table; offsets are in bytes from its start. */
export interface Header {
  readonly layout: Layout
  /** Smallest distance of two instructions; pc differences are counted in it. */
  readonly quantum: number
  readonly functions: number
  /** As the header says it: 0 since Go 1.26, unrelocated in some position-independent programs. Undefined before Go 1.18. */
  readonly textStart: number | undefined
  readonly namesAt: number
  readonly unitsAt: number
  readonly filesAt: number
  readonly pcValuesAt: number
  readonly functionsAt: number
}

export const maxHeaderBytes = 8 + 8 * 8

/** The header at the start of these bytes, undefined when it is none that a table of at most `limitBytes` can have. */
export function readHeader(view: BinaryView, at: number, limitBytes: number): Header | undefined {
  const magic = view.u32(at)
  const layout = layouts.find((known) => known.magic === magic)
  if (layout === undefined || view.u16(at + 4) !== 0) return
  const quantum = view.u8(at + 6)
  if (![1, 2, 4].includes(quantum) || view.u8(at + 7) !== view.pointerBytes) return
  const word = (index: number) => view.pointer(at + 8 + index * view.pointerBytes)
  const first = layout.leadingWords
  const header: Header = {
    layout,
    quantum,
    functions: word(0),
    textStart: layout.leadingWords === 3 ? word(2) : undefined,
    namesAt: word(first),
    unitsAt: word(first + 1),
    filesAt: word(first + 2),
    pcValuesAt: word(first + 3),
    functionsAt: word(first + 4),
  }
  return isPlausible(header, entryBytesOf(layout, view.pointerBytes), limitBytes) ? header : undefined
}

/** Size of a function's address, and of the offset beside it. */
export function entryBytesOf(layout: Layout, pointerBytes: number): number {
  return layout.entries === 'absolute' ? pointerBytes : 4
}

/** Every linker writes the parts in this order, so four bytes that look like the magic number elsewhere are told apart. */
function isPlausible(header: Header, entryBytes: number, limitBytes: number): boolean {
  const { functions, namesAt, unitsAt, filesAt, pcValuesAt, functionsAt } = header
  const ascending = [16, namesAt, unitsAt, filesAt, pcValuesAt, functionsAt]
  return (
    functions > 0 &&
    ascending.every((value, index) => index === 0 || value >= ascending[index - 1]!) &&
    functionsAt + (2 * functions + 1) * entryBytes <= limitBytes
  )
}
