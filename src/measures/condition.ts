import { UserError } from '../errors.js'
import { type TimeClass, timeClasses } from '../timeline/classes.js'
import type { TimelineListener } from '../timeline/model.js'
import type { OutRow } from './measure.js'
import type { Row } from './table.js'
import { tables } from './tables.js'
import { defaultThresholds, type Thresholds } from './thresholds.js'

/** Uninterrupted pieces of goroutines' lives in one of some classes. */
interface PieceSubject {
  readonly kind: 'piece'
  readonly classes: ReadonlySet<number>
}

/** Rows of a table by one of their durations. */
interface RowSubject {
  readonly kind: 'row'
  readonly table: string
  readonly column: string
  /** Values other columns must have. */
  readonly where: Readonly<Record<string, string | boolean>>
}

const operators = ['>=', '<=', '>', '<', '='] as const
type Operator = (typeof operators)[number]

/** What `--around` looks for, e.g. `network block > 50ms`. */
export interface Condition {
  readonly subject: PieceSubject | RowSubject
  /** Without one, everything counts. */
  readonly operator: Operator | undefined
  readonly limitNs: number
  /** Only the longest of all that match. */
  readonly longest: boolean
}

/** Something that a condition matched, ns since the epoch. */
export interface Moment {
  readonly fromWallNs: bigint
  readonly toWallNs: bigint
  /** What was compared, ns; not how long the moment is, where that is the second in which it was. */
  readonly ns: number
}

const row =
  (table: string, column: string, where: RowSubject['where'] = {}) =>
  (): RowSubject => ({ kind: 'row', table, column, where })
const piece =
  (...classes: TimeClass[]) =>
  (): PieceSubject => ({ kind: 'piece', classes: new Set(classes.map((name) => timeClasses.indexOf(name))) })

/** Subjects by name; some take the rest of the subject as the name of one kind of it. */
const subjects: readonly (readonly [RegExp, (name: string) => PieceSubject | RowSubject])[] = [
  [/^gc pause$/, row('gc_pauses', 'duration_ns', { is_gc: true })],
  [/^(?:stop[- ]the[- ]world|stw pause)$/, row('gc_pauses', 'duration_ns')],
  [/^netpoll delay$/, row('netpoll_spikes', 'total_ns')],
  [/^task(?: (.+))?$/, (name) => named('tasks', name)],
  [/^region(?: (.+))?$/, (name) => named('regions', name)],
  [/^network (?:block|wait)$/, piece('net_wait')],
  [/^(?:lock|channel|sync) (?:block|wait)$/, piece('sync_wait')],
  [/^sched(?:uler)? wait$/, piece('sched_wait', 'sched_wait_kernel')],
  [/^syscall block$/, piece('syscall_blocked')],
]

function named(table: string, type: string): RowSubject {
  return { kind: 'row', table, column: 'duration_ns', where: type === '' ? {} : { type } }
}

/** ns in each unit that a duration may be written in. */
export const durationUnitsNs: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9 }

/**
 * Reads `[longest] SUBJECT [OP DURATION]`. A subject is one of those above, a class (`net_wait`), or `TABLE.COLUMN` for any
 * column of ns in a table.
 * @throws UserError that says what there is
 */
export function parseCondition(text: string): Condition {
  const match = /^\s*(longest\s+)?(.+?)\s*(?:(>=|<=|>|<|=)\s*([\d.]+)\s*(\S*))?\s*$/.exec(text)
  const number = Number(match?.[4] ?? 0)
  const unit = match?.[5] === undefined ? 1 : durationUnitsNs[match[5]]
  const subject = match === null ? undefined : subjectOf(match[2]!)
  if (match === null || subject === undefined) throw new UserError(`"${text}" is no condition: ${known}`)
  if (unit === undefined || !Number.isFinite(number)) {
    throw new UserError(`"${text}" has no duration behind ${match[3]!}: write one like 50ms (ns, us, ms, s)`)
  }
  const operator = operators.find((each) => each === match[3])
  const longest = match[1] !== undefined
  if (operator === undefined && !longest) {
    throw new UserError(`"${text}" has no limit: write it like "${match[2]!} > 50ms", or "longest ${match[2]!}"`)
  }
  return { subject, operator, limitNs: number * unit, longest }
}

const known =
  'write SUBJECT > DURATION or longest SUBJECT, where SUBJECT is "network block", "lock block", "sched wait", "syscall block", "gc pause", ' +
  `"stop-the-world", "netpoll delay", "task TYPE", "region TYPE", TABLE.COLUMN of a table of the result, or a class (${timeClasses.join(', ')})`

function subjectOf(text: string): Condition['subject'] | undefined {
  const name = text.replaceAll(/\s+/g, ' ')
  for (const [form, make] of subjects) {
    const match = form.exec(name)
    if (match !== null) return make(match[1] ?? '')
  }
  const className = timeClasses.find((each) => each === name || each.replaceAll('_', ' ') === name)
  if (className !== undefined) return piece(className)()
  const [tableName, column] = name.split('.')
  const table = tables.find((each) => each.name === tableName)
  const isNs = table?.columns.some((each) => each.name === column && (column === 'ns' || column.endsWith('_ns')))
  if (table === undefined || column === undefined || isNs !== true) return undefined
  return row(table.name, column)()
}

export function holdsFor({ operator, limitNs }: Condition, ns: number): boolean {
  switch (operator) {
    case '>':
      return ns > limitNs
    case '>=':
      return ns >= limitNs
    case '<':
      return ns < limitNs
    case '<=':
      return ns <= limitNs
    case '=':
      return ns === limitNs
    case undefined:
      return true
  }
}

/** The moment a row is about when it matches; undefined when it does not. For `longest`, every row of the subject that matches. */
export function matchRow(condition: Condition, { table, row: values }: OutRow): Moment | undefined {
  const { subject } = condition
  if (subject.kind !== 'row' || table !== subject.table) return undefined
  const ns = durationOf(subject, values)
  if (ns === undefined || !holdsFor(condition, ns)) return undefined
  return { ...timeOf(subject, values, ns), ns }
}

/** A column of one thing (the longest, a quantile), not of a sum: it may have begun so long before the window in which it ended. */
const ofOne = /(?:^|_)(?:max|p\d+)_ns$/

function timeOf({ table, column }: RowSubject, values: Row, ns: number): Pick<Moment, 'fromWallNs' | 'toWallNs'> {
  const { event, windowSeconds = 1 } = tables.find(({ name }) => name === table)!
  const at = BigInt(values.ts)
  if (event === undefined) {
    const before = ofOne.test(column) ? BigInt(Math.round(ns)) : 0n
    return { fromWallNs: at - before, toWallNs: at + BigInt(windowSeconds) * 1_000_000_000n }
  }
  const length = BigInt(Math.round(Number(values[event.length] ?? ns)))
  return event.ts === 'end' ? { fromWallNs: at - length, toWallNs: at } : { fromWallNs: at, toWallNs: at + length }
}

function durationOf({ column, where }: RowSubject, values: Row): number | undefined {
  for (const [name, value] of Object.entries(where)) if (values[name] !== value) return undefined
  const ns = values[column]
  return typeof ns === 'number' ? ns : undefined
}

/** Only the longest one, where that was asked for. */
export function chosen<M extends Moment>({ longest }: Condition, moments: readonly M[]): readonly M[] {
  if (!longest || moments.length === 0) return moments
  return [moments.reduce((best, next) => (next.ns > best.ns ? next : best))]
}

/** Some rows are there from a threshold on only, and what is looked for may be shorter: thresholds with which all of it has rows. */
export function thresholdsFor(condition: Condition, own: Partial<Thresholds> = {}): Partial<Thresholds> {
  const { subject, operator, limitNs, longest } = condition
  const threshold = subject.kind === 'row' ? tables.find(({ name }) => name === subject.table)!.threshold : undefined
  if (threshold === undefined) return own
  const leastNs = longest || operator === '<' || operator === '<=' ? 0 : limitNs
  return { ...own, [threshold]: Math.min(own[threshold] ?? defaultThresholds[threshold], leastNs) }
}

/** Finds the pieces that match; a piece that other things cut is one as long as its classes go on. */
export class PieceFinder implements TimelineListener {
  private readonly open = new Map<number, { readonly fromNs: number; toNs: number }>()

  /** @param found gets the begin and the end of each match on the axis, and whose it is */
  constructor(
    private readonly condition: Condition,
    private readonly found: (fromNs: number, toNs: number, goid: number) => void,
  ) {}

  segment({ goid }: { readonly goid: number }, fromNs: number, toNs: number, classId: number): void {
    const { subject } = this.condition
    if (subject.kind !== 'piece') return
    const open = this.open.get(goid)
    const counts = subject.classes.has(classId)
    if (open !== undefined && counts && open.toNs === fromNs) {
      open.toNs = toNs
      return
    }
    if (open !== undefined) this.close(goid, open)
    if (counts) this.open.set(goid, { fromNs, toNs })
  }

  /** Everything has been told. */
  end(): void {
    for (const [goid, open] of this.open) this.close(goid, open)
  }

  private close(goid: number, { fromNs, toNs }: { readonly fromNs: number; readonly toNs: number }): void {
    this.open.delete(goid)
    if (holdsFor(this.condition, toNs - fromNs)) this.found(fromNs, toNs, goid)
  }
}
