import type { Command } from 'commander'
import {
  always,
  clipped,
  Gate,
  type Interval,
  type SelectableAxis,
  type Selection,
  united,
} from '../analysis/selection.js'
import type { FollowedTask } from '../analysis/taskFollower.js'
import { UserError } from '../errors.js'
import { durationUnitsNs, parseCondition } from '../measures/condition.js'
import type { Thresholds } from '../measures/thresholds.js'
import { findMoments } from '../pipeline/moments.js'
import type { OfflineSource } from '../pipeline/offlineSource.js'

export interface SelectionFlags {
  readonly from?: string
  readonly to?: string
  readonly around?: string
  readonly margin?: string
  readonly goroutine?: readonly number[]
  readonly threshold?: Partial<Thresholds>
}

/** The options by which a part of a capture is chosen. */
export function addSelectionOptions(command: Command): Command {
  return command
    .option('--from <time>', 'look only from this moment on: ISO time, ns since the epoch, or +1.25s from the start')
    .option('--to <time>', 'look only up to this moment')
    .option('--around <condition>', 'look only around what fits: "network block > 50ms", "longest gc pause", …')
    .option('--margin <duration>', 'with --around: so much before and after each (default 10ms)')
    .option('--goroutine <id>', 'look only at this goroutine; can be given again', addGoroutine)
}

/**
 * What the flags choose; undefined when that is everything. `--around` reads the input that `open` gives once.
 * @param tasks what the goroutines did in these is chosen, and nothing else
 * @throws UserError
 */
export async function selectionOf(
  flags: SelectionFlags,
  open: () => Promise<OfflineSource>,
  tasks?: readonly FollowedTask[],
): Promise<Gate | undefined> {
  const { from, to, around, margin, goroutine, threshold } = flags
  if (margin !== undefined && around === undefined) throw new UserError('--margin belongs to --around')
  const fromMoment = from === undefined ? undefined : parseMoment('--from', from)
  const toMoment = to === undefined ? undefined : parseMoment('--to', to)
  const marginNs = parseDuration('--margin', margin ?? '10ms')
  const moments =
    around === undefined ? undefined : (await findMoments(await open(), parseCondition(around), threshold)).found
  if (moments?.length === 0) throw new UserError(`nothing in the capture fits "${around!}"`)
  const isAll = [fromMoment, toMoment, moments, goroutine, tasks].every((each) => each === undefined)
  if (isAll) return undefined
  return new Gate((axis) => {
    const window = { fromNs: fromMoment?.(axis) ?? -Infinity, toNs: toMoment?.(axis) ?? Infinity }
    if (window.fromNs >= window.toNs) throw new UserError('--from lies behind --to: nothing is between them')
    const around = moments?.map(({ fromWallNs, toWallNs }) => {
      return within(window, axis.atWall(fromWallNs) - marginNs, axis.atWall(toWallNs) + marginNs)
    })
    const goroutines = goroutine === undefined ? undefined : new Map(goroutine.map((goid) => [goid, [always]]))
    const chosen = { intervals: united(around ?? [window]), goroutines }
    return tasks === undefined ? chosen : withinTasks(chosen, tasks)
  })
}

/** The part of a selection in which its goroutines worked for one of the tasks. */
function withinTasks({ intervals, goroutines }: Selection, tasks: readonly FollowedTask[]): Selection {
  const parts = tasks.flatMap(({ beginNs, endNs }) => clipped(intervals, beginNs, endNs + 1))
  if (parts.length === 0) throw new UserError(`task ${tasks[0]!.id} lies outside of the selected time`)
  const all = new Map<number, Interval[]>()
  for (const task of tasks) {
    for (const [goid, own] of task.intervals) {
      if (goroutines?.has(goid) ?? true) all.set(goid, united([...(all.get(goid) ?? []), ...own]))
    }
  }
  return { intervals: united(parts), goroutines: all, tasks: new Set(tasks.flatMap((task) => task.tasks)) }
}

function within(window: Interval, fromNs: number, toNs: number): Interval {
  // What matched is part of its own window, to its last ns, when the margin is 0.
  return { fromNs: Math.max(window.fromNs, fromNs), toNs: Math.min(window.toNs, Math.max(toNs, fromNs + 1)) }
}

/** @returns ns. @throws UserError */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m)$/.exec(text)
  if (match === null) throw new UserError(`${option} ${text} is no duration: write one like 10ms`)
  return Math.round(Number(match[1]) * durationUnitsNs[match[2]!]!)
}

type MomentOf = (axis: SelectableAxis) => number

/** @throws UserError */
function parseMoment(option: string, text: string): MomentOf {
  if (text.startsWith('+')) {
    const offsetNs = parseDuration(option, text.slice(1))
    return ({ firstNs }) => firstNs + offsetNs
  }
  if (/^\d+$/.test(text)) {
    const wallNs = BigInt(text)
    return (axis) => axis.atWall(wallNs)
  }
  const wallNs = parseIso(text)
  if (wallNs === undefined) {
    throw new UserError(
      `${option} ${text} is no time: write 2026-01-31T12:00:00.5Z, ns since the epoch, or +1.25s from the start`,
    )
  }
  return (axis) => axis.atWall(wallNs)
}

/** A moment that says its date, ns since the epoch. @throws UserError */
export function parseWallTime(option: string, text: string): bigint {
  const wallNs = /^\d+$/.test(text) ? BigInt(text) : parseIso(text)
  if (wallNs === undefined)
    throw new UserError(`${option} ${text} is no time: write 2026-01-31T12:00:00.5Z, or ns since the epoch`)
  return wallNs
}

/** ISO 8601 with up to nine digits of a second, of which Date keeps three. Without a zone it is UTC, as the output is. */
function parseIso(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/.exec(text)
  if (match === null) return undefined
  const ms = Date.parse(`${match[1]!.replace(' ', 'T')}${match[3] ?? 'Z'}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}

function addGoroutine(text: string, before: readonly number[] | undefined): readonly number[] {
  if (!/^\d+$/.test(text)) throw new UserError(`--goroutine ${text} is no goroutine id`)
  return [...(before ?? []), Number(text)]
}
