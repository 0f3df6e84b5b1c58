import type { ClockDecision } from '../clock/ladder.js'
import type { PerfDetail } from '../perf/index.js'
import type { TimelineListener } from '../timeline/model.js'
import type { Row, Table, Value } from './table.js'

/** Limits above which something is worth a row or a finding of its own. */
export interface Thresholds {
  /** A netpoll delay from here on is a spike, ns. */
  readonly netpollSpikeNs: number
  /** A stop-the-world from here on is a finding, ns. */
  readonly stopTheWorldNs: number
  /** CPU time stolen within a second from here on is a finding, ns summed over threads … */
  readonly stolenNs: number
  /** … when it is also at least this share of the time that goroutines were Running. */
  readonly stolenShare: number
  /** A wait for a channel or lock from here on gets a row in wake_chains, ns. */
  readonly wakeChainNs: number
  /** A goroutine that runs so long after the kernel returned is a row of syscall_wakeups, ns. */
  readonly syscallWakeupNs: number
  /** Threads that were woken and waited so long for a CPU within a second are a finding, ns summed over threads … */
  readonly runQueueNs: number
  /** … when it is also at least this share of that and the time goroutines were on a CPU. */
  readonly runQueueShare: number
  /** From this share of the time on in which the garbage collector marked, it runs too often … */
  readonly gcShare: number
  /** … or goroutines do too much of its work: at least this share of that and their own time on a CPU, and so long a second, ns summed over goroutines. */
  readonly gcAssistShare: number
  readonly gcAssistNs: number
  /** So many failed calls of one name within a second are a finding, when they are also at least this share of its calls. */
  readonly syscallErrors: number
  readonly syscallErrorShare: number
  /** A system call that should return soon and takes so long is a finding, ns. */
  readonly slowSyscallNs: number
}

export const defaultThresholds: Thresholds = {
  netpollSpikeNs: 10e6,
  stopTheWorldNs: 10e6,
  stolenNs: 100e6,
  stolenShare: 0.2,
  wakeChainNs: 50e6,
  syscallWakeupNs: 50e6,
  runQueueNs: 200e6,
  runQueueShare: 0.2,
  gcShare: 0.5,
  gcAssistShare: 0.2,
  gcAssistNs: 100e6,
  syscallErrors: 100,
  syscallErrorShare: 0.1,
  slowSyscallNs: 100e6,
}

export type Track = 'gotrace' | 'perf'

export interface OutRow {
  readonly table: string
  readonly row: Row
}

/** Where reducers put rows, and how they get from the analysis' axis to wall-clock seconds. */
export interface Sink {
  /** A row at a moment of the axis. */
  row(table: Table, atNs: number, values: Readonly<Record<string, Value>>): void
  /** The same for rows of which there are very many: a row at a moment of the axis with nulls in its columns, to be filled and given to `add`. */
  newRow(table: Table, atNs: number): Row
  add(table: Table, row: Row): void
  /** Whether somebody wants the rows of this table: if not, they need not be made. */
  wants(table: Table): boolean
  /** How the tracks are joined, as known now. */
  readonly clock: ClockDecision
  /** The part of an interval of the axis that lies between the first and the latest event of what is told. */
  recorded(fromNs: number, toNs: number): { readonly fromNs: number; readonly toNs: number }
  /** The axis' base, in whole seconds since the epoch. */
  readonly baseSecond: number
  /** Number of the wall-clock second that contains a moment, counted from the second of the axis' base. */
  secondOf(atNs: number): number
  /** Start of such a second on the axis. */
  startOf(second: number): number
  /** Decimal ns since the epoch. */
  wallNs(atNs: number): string
  /** The stack's id; puts its row into `stacks` when the source has not shown it lately. */
  stackId(atNs: number, frames: string): string
}

/** What the input itself says, besides the timeline. */
export interface InputListener {
  /** Events or records were read, `late` of them older than what had been processed. */
  input?(track: Track, atNs: number, events: number, bytes: number, late: number): void
  lost?(atNs: number, events: number): void
  unreadable?(track: Track, atNs: number, count: number): void
  shipped?(track: Track, atNs: number, lagMs: number): void
  /** A record of perf came while the collector had it record less than everything. */
  thinned?(atNs: number, detail: PerfDetail): void
  /** Bytes of the track never arrived; what happens next in it is at `atNs`. */
  gap?(track: Track, atNs: number, lostBytes: number): void
  /** The host's wall clock was set since the generation before. */
  clockStep?(atNs: number): void
}

/**
 * Turns what it hears into rows. `state` is plain data that a checkpoint can copy, and is all it remembers.
 */
export interface Reducer extends TimelineListener, InputListener {
  readonly state: unknown
  /** Everything before `beforeNs` is known: writes the rows of the whole seconds before it. */
  flush?(beforeNs: number): void
}

export interface Measure {
  /** Key of its state in a checkpoint. */
  readonly name: string
  readonly tables: readonly Table[]
  /**
   * It cuts lives (`view.tellUpTo`). What has been told stays told when perf takes back what it said, so where lives are cut shows in other tables too: rows do not
   * depend on which are wanted only when this measure is always made.
   */
  readonly cutsLives?: true
  create(sink: Sink, thresholds: Thresholds, saved: unknown): Reducer
}
