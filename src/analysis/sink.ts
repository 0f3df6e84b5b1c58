import type { ClockDecision } from '../clock/ladder.js'
import type { WallSource } from '../clock/wall.js'
import type { Finding } from '../findings/finding.js'
import { findingsTable } from '../measures/findings.js'
import type { OutRow, Sink } from '../measures/measure.js'
import { stacksTable } from '../measures/stacks.js'
import type { Row, Table, Value } from '../measures/table.js'
import { stackIdOf } from '../stacks/text.js'
import { always, type Interval } from './selection.js'

/** Distinct stacks remembered as already written; then they are written again, which replaces the same rows. */
const stacksRemembered = 20_000

export interface SinkState {
  /** Wall time of the axis' zero, ns since the epoch. */
  readonly baseWallNs: bigint
  readonly shownStacks: Set<string>
  /** As decided at the start. */
  readonly clock: ClockDecision
}

export interface SourceNames {
  readonly source: string
  readonly service: string
  readonly host: string
}

/** Collects rows and findings, and knows where the axis lies in wall time. */
export class RowSink implements Sink {
  readonly baseSecond: number
  /** As known now; whoever owns the sink keeps it up to date. */
  clock: ClockDecision
  /** First and latest event of what is told; set by whoever owns the sink. */
  span: () => Interval = () => always
  /** ns from the start of the wall-clock second to the axis' zero. */
  private readonly intoSecondNs: number
  private rows: OutRow[] = []
  private found: Finding[] = []
  private readonly emptyRows = new Map<Table, Row>()
  private readonly hearers = new Map<Table, ((atNs: number, values: Readonly<Record<string, Value>>) => void)[]>()

  constructor(
    private readonly names: SourceNames,
    readonly state: SinkState,
    readonly wallSource: WallSource,
    /** Names of the tables whose rows shall come out; undefined = all. */
    private readonly wanted?: ReadonlySet<string>,
  ) {
    this.clock = state.clock
    this.baseSecond = Number(state.baseWallNs / 1_000_000_000n)
    this.intoSecondNs = Number(state.baseWallNs % 1_000_000_000n)
  }

  /** Wall time, ms since the epoch. */
  wallMs(atNs: number): number {
    return this.baseSecond * 1e3 + (this.intoSecondNs + atNs) / 1e6
  }

  row(table: Table, atNs: number, values: Readonly<Record<string, Value>>): void {
    this.tell(table, atNs, values)
    if (this.comesOut(table))
      this.rows.push({ table: table.name, row: { ts: this.wallNs(atNs), ...this.names, ...values } })
  }

  /** Calls for every row of a table, whether it comes out or not. */
  onRow(table: Table, hear: (atNs: number, values: Readonly<Record<string, Value>>) => void): void {
    this.hearers.set(table, [...(this.hearers.get(table) ?? []), hear])
  }

  newRow(table: Table, atNs: number): Row {
    let empty = this.emptyRows.get(table)
    if (empty === undefined) {
      // Parsed, as the engine keeps the columns of such an object, and of its copies, in one piece.
      const nulls = Object.fromEntries(table.columns.map(({ name }) => [name, null]))
      empty = JSON.parse(JSON.stringify({ ts: '', ...this.names, ...nulls })) as Row
      this.emptyRows.set(table, empty)
    }
    const row = { ...empty }
    row.ts = this.wallNs(atNs)
    return row
  }

  add(table: Table, atNs: number, row: Row): void {
    this.tell(table, atNs, row)
    if (this.comesOut(table)) this.rows.push({ table: table.name, row })
  }

  wants(table: Table): boolean {
    return this.comesOut(table) || this.hearers.has(table)
  }

  private tell(table: Table, atNs: number, values: Readonly<Record<string, Value>>): void {
    for (const hear of this.hearers.get(table) ?? []) hear(atNs, values)
  }

  private comesOut(table: Table): boolean {
    return this.wanted?.has(table.name) ?? true
  }

  recorded(fromNs: number, toNs: number): Interval {
    const span = this.span()
    return { fromNs: Math.max(fromNs, span.fromNs), toNs: Math.min(toNs, span.toNs) }
  }

  secondOf(atNs: number): number {
    return Math.floor((atNs + this.intoSecondNs) / 1e9)
  }

  startOf(second: number): number {
    return second * 1e9 - this.intoSecondNs
  }

  wallNs(atNs: number): string {
    const ns = this.intoSecondNs + Math.round(atNs)
    const second = Math.floor(ns / 1e9)
    // Two numbers are written faster than one that takes a BigInt.
    if (this.baseSecond + second > 0) return `${this.baseSecond + second}${String(1e9 + ns - second * 1e9).slice(1)}`
    return (this.state.baseWallNs + BigInt(Math.round(atNs))).toString()
  }

  stackId(atNs: number, frames: string): string {
    const { shownStacks } = this.state
    const id = stackIdOf(frames)
    if (!shownStacks.has(id)) {
      if (shownStacks.size >= stacksRemembered) shownStacks.clear()
      shownStacks.add(id)
      this.row(stacksTable, atNs, { stack_id: id, frames })
    }
    return id
  }

  raise = (raised: Finding): void => {
    // A finding about a second or ten does not reach beyond the recording.
    const finding = { ...raised, ...this.recorded(raised.fromNs, raised.toNs) }
    this.found.push(finding)
    const { go, kernel, next, facts } = finding
    this.row(findingsTable, finding.fromNs, {
      detector: finding.detector,
      severity: finding.severity,
      title: finding.title,
      evidence: JSON.stringify({ go, kernel, next, facts }),
      from: this.wallNs(finding.fromNs),
      to: this.wallNs(finding.toNs),
    })
  }

  takeRows(): OutRow[] {
    const { rows } = this
    this.rows = []
    return rows
  }

  takeFindings(): Finding[] {
    const { found } = this
    this.found = []
    return found
  }
}
