import type { PerfFrame } from '../perf/index.js'
import type { GoProgram } from './goProgram.js'

/** Where a part of a file was mapped to. */
interface Mapping {
  readonly start: number
  readonly end: number
  readonly offsetBytes: number
}

/** What is known of one file that perf names as the place of a frame. */
interface Place {
  readonly program: GoProgram
  readonly mappings: Mapping[]
  /** Frames that make sense only as offsets in the file, and only as addresses. */
  offsets: number
  addresses: number
}

/** How a printed address can be meant, as an address the program was linked at; undefined where it would not be in Go's code. */
interface Readings {
  readonly offset: number | undefined
  readonly address: number | undefined
}

export interface RepairOptions {
  /**
   * Also name the functions that the compiler inlined. Without it the result is what `perf script --no-inline` prints for the same
   * program with its symbols.
   */
  readonly inlined?: boolean
}

/**
 * Names the frames of Go programs that were stripped of their symbols. perf prints the address of a user frame in a call chain as an offset
 * in the file in some versions (6.1; position-independent programs then need no more), and as an address in memory in others (5.10, 6.12), as
 * well as for a sample without a call chain. Nothing in the text says which, so it is found out from the frames themselves.
 */
export class SymbolRepair {
  private readonly places = new Map<string, Place | undefined>()
  private readonly mappings = new Map<string, Mapping[]>()
  private outside = 0
  private repaired = 0

  /** @param open the Go program that perf calls `dso`, undefined when there is none; asked once for each */
  constructor(
    private readonly open: (dso: string) => GoProgram | undefined,
    private readonly options: RepairOptions = {},
  ) {}

  /** Takes the text of an MMAP or MMAP2 record: only with it can addresses in position-independent programs be understood. */
  addMapping(text: string): void {
    const match = /\[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+)[^\]]*\]: \S+ (\S.*)$/.exec(text.trimEnd())
    if (match === null) return
    const [start, size, offsetBytes] = match.slice(1, 4).map((digits) => Number.parseInt(digits, 16))
    const known = this.mappings.get(match[4]!) ?? []
    const mapping = { start: start!, end: start! + size!, offsetBytes: offsetBytes! }
    if (known.length >= maxMappings || known.some((other) => isSame(other, mapping))) return
    known.push(mapping)
    this.mappings.set(match[4]!, known)
  }

  /** Learns from a whole stack, leaf first, how perf printed addresses. Call it before the first `repair` of its frames. */
  learn(stack: readonly PerfFrame[]): void {
    for (const [depth, frame] of stack.entries()) {
      const place = this.placeOf(frame)
      if (place === undefined) continue
      const { offset, address } = this.readings(place, frame)
      if (offset === address) continue
      if (address === undefined) place.offsets++
      else if (offset === undefined) place.addresses++
      else if (depth === stack.length - 1) {
        const isOffset = place.program.isOutermost(offset)
        if (isOffset !== place.program.isOutermost(address)) isOffset ? place.offsets++ : place.addresses++
      }
    }
  }

  /** Names for a frame, callees first; undefined when it is none of Go code, or when perf has named it. */
  repair(frame: PerfFrame): readonly string[] | undefined {
    const place = this.placeOf(frame)
    if (place === undefined) return undefined
    const { offset, address } = this.readings(place, frame)
    const pc = place.addresses > place.offsets ? (address ?? offset) : (offset ?? address)
    if (pc === undefined) {
      if (!place.program.holdsCode(Number.parseInt(frame.ip, 16))) this.outside++
      return undefined
    }
    const symbol = place.program.symbol(pc)
    if (symbol === undefined) return undefined
    this.repaired++
    return this.options.inlined === true ? place.program.symbols(pc) : [symbol]
  }

  /**
   * Frames with an address that is no code in the file of their Go program. A few are numbers that perf took for return addresses;
   * 0 is said unless they are more than those that could be named.
   */
  unplaced(): number {
    return this.outside > this.repaired ? this.outside : 0
  }

  /** Whether there was a frame without a name that lies in a Go program. */
  get metGoFrames(): boolean {
    return [...this.places.values()].some((place) => place !== undefined)
  }

  private placeOf({ symbol, dso, kernel, ip }: PerfFrame): Place | undefined {
    if (symbol !== '[unknown]' || kernel || ip === '' || dso === '' || dso === '[unknown]') return undefined
    if (!this.places.has(dso)) {
      const program = this.open(dso)
      const mappings = this.mappings.get(dso) ?? []
      this.mappings.set(dso, mappings)
      this.places.set(dso, program === undefined ? undefined : { program, mappings, offsets: 0, addresses: 0 })
    }
    return this.places.get(dso)
  }

  private readings({ program, mappings }: Place, frame: PerfFrame): Readings {
    const ip = Number.parseInt(frame.ip, 16)
    const mapping = mappings.find(({ start, end }) => ip >= start && ip < end)
    const offset = program.addressOfOffset(ip)
    const address = mapping === undefined ? ip : program.addressOfOffset(ip - mapping.start + mapping.offsetBytes)
    const inCode = (pc: number | undefined) => (pc !== undefined && program.contains(pc) ? pc : undefined)
    return { offset: inCode(offset), address: inCode(address) }
  }
}

/** Of one file; a program that is started again and again is mapped at a new place each time. */
const maxMappings = 4096

function isSame(a: Mapping, b: Mapping): boolean {
  return a.start === b.start && a.end === b.end && a.offsetBytes === b.offsetBytes
}
