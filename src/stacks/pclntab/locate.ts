import type { BinaryView } from '../bytes.js'
import type { ElfImage } from '../elf.js'
import { type Header, layouts, maxHeaderBytes, readHeader } from './layout.js'

/** Go's table of functions in an executable. */
export interface LocatedTable {
  readonly address: number
  /** From the table's start to its end, or to the segment's end when the file has no section headers. */
  readonly view: BinaryView
  readonly header: Header
  /** Where function addresses are counted from; 0 where they are absolute. */
  readonly textStart: number
  /** Where offsets of function data are counted from; undefined when unknown, then no inlined call can be named. */
  readonly funcDataBase: number | undefined
}

/** Larger tables are not read: the largest Go programs known have some 60 MB. */
export const maxTableBytes = 256 << 20

/** The linker's name, and the one it had in position-independent programs before Go 1.26. */
const sectionNames: readonly string[] = ['.gopclntab', '.data.rel.ro.gopclntab']

/** Undefined when the executable has none that is understood: no Go program, one older than Go 1.16, or a packed one. */
export function locateTable(image: ElfImage): LocatedTable | undefined {
  const place = bySection(image) ?? byMagic(image)
  if (place === undefined) return
  const view = image.readRelocated(place.address, Math.min(place.sizeBytes, maxTableBytes))
  const header = readHeader(view, 0, view.sizeBytes)
  if (header === undefined) return
  const module = findModule(image, place.address, header)
  const text = image.sections.find(({ name }) => name === '.text')
  // Go 1.26 writes 0, and in a program linked by the C linker .text begins with C code: so the runtime's own record comes first.
  const textStart = module?.textStart ?? (header.textStart === 0 ? text?.address : header.textStart) ?? 0
  return { address: place.address, view, header, textStart, funcDataBase: module?.funcDataBase }
}

interface Place {
  readonly address: number
  readonly sizeBytes: number
}

function bySection(image: ElfImage): Place | undefined {
  const section = image.sections.find(({ name }) => sectionNames.includes(name))
  return section === undefined ? undefined : { address: section.address, sizeBytes: section.sizeBytes }
}

const chunkBytes = 4 << 20

/** Sections that only Go's linker writes: `.go.buildinfo`, `.note.go.buildid` and others. */
const goSection = /^\.(?:note\.)?go\./

/** The C linker merges the section into another one, and section headers can be stripped: then the magic number is looked for. */
function byMagic(image: ElfImage): Place | undefined {
  if (image.sections.length > 0 && !image.sections.some(({ name }) => goSection.test(name))) return
  for (const segment of image.segments) {
    for (let done = 0; done < segment.fileBytes; done += chunkBytes) {
      const address = segment.address + done
      const chunk = image.readAddress(address, chunkBytes + maxHeaderBytes)
      // A damaged segment can say that it goes on far behind the file's end.
      if (chunk.sizeBytes === 0) break
      const remaining = segment.fileBytes - done
      for (let at = magicIn(chunk, 0); at >= 0; at = magicIn(chunk, at + image.pointerBytes)) {
        if (readHeader(chunk, at, Math.min(remaining - at, maxTableBytes)) === undefined) continue
        return { address: address + at, sizeBytes: remaining - at }
      }
    }
  }
  return undefined
}

const magics: ReadonlySet<number> = new Set(layouts.map(({ magic }) => magic))

function magicIn(view: BinaryView, from: number): number {
  for (let at = from; at < view.sizeBytes; at += view.pointerBytes) if (magics.has(view.u32(at))) return at
  return -1
}

/** Words of runtime.moduledata; the same in Go 1.16 to 1.26. */
const moduleWord = { table: 0, names: 1, namesLength: 2, functions: 16, functionsLength: 17, text: 22 } as const
const moduleWords = 41

interface Module {
  readonly textStart: number
  readonly funcDataBase: number | undefined
}

/** The runtime's record of the program has no name in a stripped file, but its first word points to the table. */
function findModule(image: ElfImage, tableAddress: number, header: Header): Module | undefined {
  for (const address of pointersTo(image, tableAddress)) {
    const view = image.readRelocated(address, moduleWords * image.pointerBytes)
    const word = (index: number) => view.pointer(index * image.pointerBytes)
    const isModule =
      word(moduleWord.table) === tableAddress &&
      word(moduleWord.names) === tableAddress + header.namesAt &&
      word(moduleWord.functions) === tableAddress + header.functionsAt &&
      // The entry behind the last function counts.
      word(moduleWord.functionsLength) === header.functions + 1
    if (!isModule) continue
    const base = header.layout.funcDataBaseWord
    return { textStart: word(moduleWord.text), funcDataBase: base === undefined ? 0 : word(base) }
  }
  return undefined
}

/** Real programs have a handful. */
const maxPointers = 64

function pointersTo(image: ElfImage, target: number): Set<number> {
  const found = new Set<number>()
  image.visitRelativeRelocations((address, to) => {
    if (to === target && found.size < maxPointers) found.add(address)
  })
  for (const segment of image.segments.filter(({ writable }) => writable)) {
    for (let done = 0; done < segment.fileBytes; done += chunkBytes) {
      const chunk = image.readAddress(segment.address + done, chunkBytes)
      if (chunk.sizeBytes === 0) break
      for (let at = 0; at < chunk.sizeBytes && found.size < maxPointers; at += image.pointerBytes) {
        if (chunk.pointer(at) === target) found.add(segment.address + done + at)
      }
    }
  }
  return found
}
