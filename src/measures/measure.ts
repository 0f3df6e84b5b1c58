import type { ClockDecision } from '../clock/ladder.js'
import type { WallSource } from '../clock/wall.js'
import type { PerfDetail } from '../perf/index.js'
import type { TimelineListener } from '../timeline/model.js'
import type { Row, Table, Value } from './table.js'
import type { Thresholds } from './thresholds.js'

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
  add(table: Table, atNs: number, row: Row): void
  /** Whether somebody wants the rows of this table: if not, they need not be made. */
  wants(table: Table): boolean
  /** How the tracks are joined, as known now. */
  readonly clock: ClockDecision
  /** Where wall time comes from. */
  readonly wallSource: WallSource
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
