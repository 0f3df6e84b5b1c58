import { PerfKind, type PerfRecord, type PerfScriptReader } from '../perf/index.js'
import { Interned } from './interned.js'
import type { NamedShare } from './namedShare.js'
import { type Learn, NamedStacks, type Repair } from './namedStacks.js'
import { PairTable } from './pairTable.js'

/**
 * What a sample adds to its stack. `period`: the period perf printed, 1 where it printed none. `time`: the ns until the thread's next sample
 * of the chosen events, or until its end if that was recorded; the last sample of a thread that goes on adds 0.
 */
export const weights = ['period', 'count', 'time'] as const
export type Weight = (typeof weights)[number]

export interface FoldOptions {
  readonly weight: Weight
  /** Event to fold, as PerfScriptReader.eventName gives it; the first one read by default, as other folders do. */
  readonly event?: string | undefined
  /** Fold every event. */
  readonly all?: boolean
  /** Names for a frame that perf could not name, callees first; undefined where none is known. */
  readonly repair?: Repair | undefined
  /** Write `[...]` for the type arguments of Go functions, as stripped programs of Go 1.18 to 1.20 have them. */
  readonly shortGenerics?: boolean | undefined
  /** Is shown a stack before `repair` is asked for one of its frames. */
  readonly learn?: Learn | undefined
}

/**
 * Sums samples by thread name and stack of function names. Every distinct stack is kept once, as a sequence of names, so memory
 * depends on how many there are and not on the length of the text.
 */
export class StackFolder {
  /** Samples read, by event id. */
  readonly samples: number[] = []
  /** Chosen samples without a time that were to be weighed by it. */
  timeless = 0
  private readonly comms = new Interned()
  /** Thread name as printed → number of the name as folded. */
  private readonly commIds = new Map<string, number>()
  private readonly named: NamedStacks
  /** (comm, stack) → row of `sums`. */
  private readonly stacks = new PairTable()
  private sums = new Float64Array(1 << 10)
  private readonly isChosen: (boolean | undefined)[] = []
  private readonly lastOfThread = new Map<number, { row: number; timeNs: number }>()

  constructor(
    private readonly reader: PerfScriptReader,
    private readonly options: FoldOptions,
  ) {
    this.named = new NamedStacks(reader, options)
  }

  /** Distinct stacks so far. */
  get size(): number {
    return this.stacks.rows - 1
  }

  /** How many frames of the chosen samples have a name. */
  get namedShare(): NamedShare {
    return this.named.share
  }

  /** Takes the record that the reader has just read. */
  add(): void {
    const { record } = this.reader
    if (record.kind === PerfKind.Sample) this.addSample(record)
    else if (record.kind === PerfKind.Exit && record.hasTime) this.endThread(record)
  }

  /** `comm;caller;callee WEIGHT` for every distinct stack, in the order of their first samples. */
  *lines(): Iterable<string> {
    const parts: string[] = []
    for (let row = 1; row <= this.size; row++) {
      parts.length = 0
      parts.push(this.comms.texts[this.stacks.firstOf(row)]!)
      this.named.append(this.stacks.secondOf(row), parts)
      yield `${parts.join(';')} ${this.sums[row]!}`
    }
  }

  private addSample(record: PerfRecord): void {
    const { eventId } = record
    this.samples[eventId] = (this.samples[eventId] ?? 0) + 1
    if (!(this.isChosen[eventId] ??= this.chooses(eventId))) return
    const { comm } = record
    const row = this.stacks.row(this.commIds.get(comm) ?? this.addComm(comm), this.named.current())
    if (row === this.sums.length) this.grow()
    switch (this.options.weight) {
      case 'period':
        this.sums[row]! += record.period
        break
      case 'count':
        this.sums[row]!++
        break
      case 'time':
        if (record.hasTime) this.addTime(threadOf(record), record.timeNs, row)
        else this.timeless++
    }
  }

  private addComm(comm: string): number {
    const id = this.comms.id(comm.replaceAll(' ', '_').replaceAll(';', ':'))
    this.commIds.set(comm, id)
    return id
  }

  private chooses(eventId: number): boolean {
    const { all, event } = this.options
    if (all === true) return true
    return event === undefined ? this.isChosen.length === 0 : event === this.reader.eventName(eventId)
  }

  /** Gives the time since the thread's last sample to the stack of that one. */
  private addTime(thread: number, timeNs: number, row: number): void {
    const last = this.lastOfThread.get(thread)
    if (last === undefined) {
      this.lastOfThread.set(thread, { row, timeNs })
      return
    }
    this.sums[last.row]! += Math.max(timeNs - last.timeNs, 0)
    last.row = row
    last.timeNs = Math.max(timeNs, last.timeNs)
  }

  private endThread({ childTid, timeNs }: PerfRecord): void {
    const last = this.lastOfThread.get(childTid)
    if (last === undefined) return
    this.sums[last.row]! += Math.max(timeNs - last.timeNs, 0)
    this.lastOfThread.delete(childTid)
  }

  private grow(): void {
    const sums = new Float64Array(this.sums.length * 2)
    sums.set(this.sums)
    this.sums = sums
  }
}

/** Every CPU has an idle thread of its own, all with the id 0. */
function threadOf({ tid, cpu }: PerfRecord): number {
  return tid === 0 ? -2 - cpu : tid
}
