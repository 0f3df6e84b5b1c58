import { Interned } from '../stacks/interned.js'
import { PairTable } from '../stacks/pairTable.js'

/** Categories by number, as the profile's `meta` lists them. */
export const Category = { OnCpu: 1, OffCpu: 2, Blocked: 3 } as const

/** Phase of a marker with a begin and an end. */
const interval = 1

interface Marker {
  readonly name: string
  readonly text: string
  readonly fromNs: number
  toNs: number
}

/** `ns` of a stack from `atNs` on. */
interface Sample {
  readonly atNs: number
  readonly stack: number
  ns: number
}

/** Pieces of one stack that begin in the same span of this length, ns, are one sample: a busy service has millions of them. */
const spanNs = 1e6

/** Row of `PairTable` for a stack without frames, to which every root is added. */
const noStack = 0

/** One thread of a processed profile, in the columns of its tables. */
export class ThreadTables {
  comm = ''
  private readonly strings = new Interned()
  /** A stack is the stack below it and a function. */
  private readonly stacks = new PairTable()
  private readonly categories: number[] = []
  private readonly samples: Sample[] = []
  /** The last piece of each stack. */
  private readonly lastPieces = new Map<number, Sample>()
  private readonly markers: Marker[] = []
  /** Stacks by what they were made of. */
  private readonly known = new Map<string, Map<string, Map<string, number>>>()

  /** @param leafCategory of a leaf that says why time passed without a CPU */
  constructor(
    readonly tid: number,
    private readonly leafCategory: number,
  ) {}

  /** `ns` of a stack that begin `atNs`; `leaf` is '' on a CPU. */
  addSample(root: string, frames: string, leaf: string, atNs: number, ns: number): void {
    const stack = this.stack(root, frames, leaf)
    const last = this.lastPieces.get(stack)
    if (last !== undefined && Math.floor(last.atNs / spanNs) === Math.floor(atNs / spanNs)) {
      last.ns += ns
      return
    }
    const sample = { atNs, stack, ns }
    this.samples.push(sample)
    if (leaf !== '') this.lastPieces.set(stack, sample)
  }

  addMarker(name: string, text: string, fromNs: number, toNs: number): void {
    this.markers.push({ name, text, fromNs, toNs })
  }

  /** Makes the last marker longer when this is more of the same. */
  extendMarker(name: string, text: string, fromNs: number, toNs: number): boolean {
    const last = this.markers.at(-1)
    if (last?.toNs !== fromNs || last.name !== name || last.text !== text) return false
    last.toNs = toNs
    return true
  }

  private stack(root: string, frames: string, leaf: string): number {
    const byLeaf = inner(inner(this.known, root), frames)
    let stack = byLeaf.get(leaf)
    if (stack === undefined) {
      const names = [root, ...(frames === '' ? [] : frames.split(';')), ...(leaf === '' ? [] : [leaf])]
      stack = noStack
      for (const name of names) stack = this.below(stack, name, name === leaf ? this.leafCategory : Category.OnCpu)
      byLeaf.set(leaf, stack)
    }
    return stack
  }

  private below(stack: number, name: string, category: number): number {
    const row = this.stacks.row(stack, this.strings.id(name))
    this.categories[row] ??= category
    return row
  }

  /** @param originNs what the profile counts time from; times in it are ms */
  toJson(originNs: number, endNs: number, isFirst: boolean): object {
    const ms = (ns: number) => (ns - originNs) / 1e6
    const samples = [...this.samples].sort((a, b) => a.atNs - b.atNs)
    const stacks = Array.from({ length: this.stacks.rows - 1 }, (_, i) => i + 1)
    const functions = this.strings.texts.length
    const column = <T>(value: T): T[] => new Array<T>(functions).fill(value)
    const numbers = Array.from({ length: functions }, (_, i) => i)
    // Markers are named after the functions have been counted.
    const markerNames = this.markers.map(({ name }) => this.strings.id(name))
    return {
      processType: 'default',
      processName: 'go',
      processStartupTime: 0,
      processShutdownTime: null,
      registerTime: 0,
      unregisterTime: ms(endNs),
      pausedRanges: [],
      name: this.comm === '' ? `thread ${this.tid}` : this.comm,
      isMainThread: isFirst,
      pid: '0',
      tid: this.tid,
      samples: {
        length: samples.length,
        weightType: 'tracing-ms',
        weight: samples.map(({ ns }) => ns / 1e6),
        stack: samples.map(({ stack }) => stack - 1),
        time: samples.map(({ atNs }) => ms(atNs)),
      },
      markers: {
        length: this.markers.length,
        name: markerNames,
        startTime: this.markers.map(({ fromNs }) => ms(fromNs)),
        endTime: this.markers.map(({ toNs }) => ms(toNs)),
        phase: this.markers.map(() => interval),
        category: this.markers.map(() => 0),
        data: this.markers.map(({ text }) => ({ type: 'Text', name: text })),
      },
      stackTable: {
        length: stacks.length,
        prefix: stacks.map((row) => (this.stacks.firstOf(row) === noStack ? null : this.stacks.firstOf(row) - 1)),
        frame: stacks.map((row) => this.stacks.secondOf(row)),
        category: stacks.map((row) => this.categories[row]!),
        subcategory: stacks.map(() => 0),
      },
      // One frame for each function: the lines of code are not known.
      frameTable: {
        length: functions,
        address: column(-1),
        inlineDepth: column(0),
        category: column(null),
        subcategory: column(null),
        func: numbers,
        nativeSymbol: column(null),
        innerWindowID: column(0),
        implementation: column(null),
        line: column(null),
        column: column(null),
      },
      funcTable: {
        length: functions,
        name: numbers,
        isJS: column(false),
        relevantForJS: column(false),
        resource: column(-1),
        fileName: column(null),
        lineNumber: column(null),
        columnNumber: column(null),
      },
      resourceTable: { length: 0, lib: [], name: [], host: [], type: [] },
      nativeSymbols: { length: 0, libIndex: [], address: [], name: [], functionSize: [] },
      stringArray: this.strings.texts,
    }
  }
}

function inner<K, T>(map: Map<string, Map<K, T>>, key: string): Map<K, T> {
  let found = map.get(key)
  if (found === undefined) map.set(key, (found = new Map<K, T>()))
  return found
}
