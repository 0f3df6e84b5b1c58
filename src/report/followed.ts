import { z } from 'zod'
import { type FollowedTask, mainClass, mergePieces, type TaskFollower } from '../analysis/taskFollower.js'
import { UserError } from '../errors.js'
import type { OutRow } from '../measures/measure.js'
import type { Row, Value } from '../measures/table.js'
import { timeClasses } from '../timeline/classes.js'

/** Pieces shorter than this share of the task are merged with their neighbours. */
const smallShare = 1 / 1000

const Nested = z.record(z.string(), z.unknown())

/** A task that `--task-id` asked for. `at_ns` counts from its begin. */
export const FollowedTaskResult = z.strictObject({
  task: z.int(),
  type: z.string(),
  parent: z.int().nullable(),
  log_id: z.string().nullable(),
  from: z.string().regex(/^-?\d+$/),
  duration_ns: z.int(),
  /** Time by class, of the goroutine furthest in progress, and `unattended`; what is 0 is left out. */
  classes: z.record(z.string(), z.int()),
  /**
   * What each goroutine did while it worked for the task. Short pieces are merged: then `class` is what most of it was, and `other_ns` the
   * rest.
   */
  timeline: z.array(
    z.strictObject({
      at_ns: z.int(),
      goroutine: z.int(),
      /** Function the goroutine was started with; '' = not known. */
      function: z.string(),
      class: z.enum(timeClasses),
      duration_ns: z.int(),
      other_ns: z.int(),
      /** Where it waited or made a system call: functions, root first, joined by ';'. null = it did neither, or that is not known. */
      stack: z.string().nullable(),
    }),
  ),
  /** Pieces at its end that were too many to keep. */
  timeline_cut: z.int(),
  regions: z.array(
    z.strictObject({
      at_ns: z.int(),
      type: z.string(),
      goroutine: z.int(),
      depth: z.int(),
      duration_ns: z.int(),
      classes: z.record(z.string(), z.int()),
    }),
  ),
  logs: z.array(Nested),
  logs_cut: z.int(),
  children: z.array(z.strictObject({ task: z.int(), type: z.string(), at_ns: z.int(), duration_ns: z.int() })),
  /** Rows of wake_chains that fell into it, each with its chain as a list. */
  wake_chains: z.array(Nested),
})
export type FollowedTaskResult = z.infer<typeof FollowedTaskResult>

/** A task that matches as well, but cannot be followed: its begin or its end is not in the recording. */
export const PartialTaskResult = z.strictObject({
  task: z.int(),
  /** null = not known, as its begin is missing. */
  type: z.string().nullable(),
  missing: z.enum(['begin', 'end']),
})
export type PartialTaskResult = z.infer<typeof PartialTaskResult>

/** Names of the tables from whose rows it is made. */
export const followedTables: ReadonlySet<string> = new Set(['tasks', 'regions', 'wake_chains'])

/** `cut`: how many tasks match beyond those that are told of. */
export interface FollowedTasks {
  readonly tasks: FollowedTaskResult[]
  readonly cut: number
  readonly inPart: PartialTaskResult[]
}

/** What the follower found, with everything that the tables know of it. @throws UserError when there is no such task */
export function followedTasks(follower: TaskFollower, rows: readonly OutRow[]): FollowedTasks {
  if (follower.found.length === 0) throw new UserError(notFound(follower))
  const of = (table: string) => rows.filter((out) => out.table === table).map(({ row }) => row)
  const tables = { tasks: of('tasks'), regions: of('regions'), chains: of('wake_chains') }
  return {
    tasks: follower.found.map((task) => describe(task, tables)),
    cut: follower.foundCut,
    inPart: follower.foundInPart.map(({ id, type, missing }) => ({ task: id, type: type ?? null, missing })),
  }
}

type Tables = Readonly<Record<'tasks' | 'regions' | 'chains', readonly Row[]>>

function describe(task: FollowedTask, { tasks, regions, chains }: Tables): FollowedTaskResult {
  const durationNs = task.endNs - task.beginNs
  const own = tasks.find((row) => row['task'] === task.id && row['duration_ns'] === durationNs)!
  const atNs = (row: Row) => Number(BigInt(row.ts) - BigInt(own.ts))
  const within = (row: Row) => atNs(row) >= 0 && atNs(row) <= durationNs
  return {
    task: task.id,
    type: task.type,
    parent: own['parent'] as number | null,
    log_id: own['log_id'] as string | null,
    from: own.ts,
    duration_ns: durationNs,
    classes: classesOf(own),
    timeline: timelineOf(task),
    timeline_cut: task.piecesCut,
    regions: regions
      .filter((row) => row['task'] === task.id && within(row))
      .map((row) => ({
        at_ns: atNs(row),
        type: row['type'] as string,
        goroutine: row['goroutine'] as number,
        depth: row['depth'] as number,
        duration_ns: row['duration_ns'] as number,
        classes: classesOf(row),
      }))
      .sort((a, b) => a.at_ns - b.at_ns || a.depth - b.depth),
    logs: listOf(own['logs']),
    logs_cut: own['logs_cut'] as number,
    children: tasks
      .filter((row) => row['parent'] === task.id && within(row))
      .map((row) => ({
        task: row['task'] as number,
        type: row['type'] as string,
        at_ns: atNs(row),
        duration_ns: row['duration_ns'] as number,
      })),
    wake_chains: chains
      .filter((row) => within(row) && task.goids.includes(row['goroutine'] as number))
      .map((row) => ({ at_ns: atNs(row), ...withoutNames(row), chain: listOf(row['chain']) })),
  }
}

function timelineOf(task: FollowedTask): FollowedTaskResult['timeline'] {
  const smallNs = (task.endNs - task.beginNs) * smallShare
  return mergePieces(task.pieces, smallNs).map((piece) => {
    const classId = mainClass(piece)
    const durationNs = piece.toNs - piece.fromNs
    return {
      at_ns: piece.fromNs - task.beginNs,
      goroutine: piece.goid,
      function: task.functions.get(piece.goid) ?? '',
      class: timeClasses[classId]!,
      duration_ns: durationNs,
      other_ns: durationNs - piece.byClass[classId]!,
      stack: piece.place?.classId === classId ? piece.place.stack : null,
    }
  })
}

function classesOf(row: Row): Record<string, number> {
  const names = [...timeClasses, 'unattended']
  return Object.fromEntries(names.flatMap((name) => (row[`${name}_ns`] ? [[name, row[`${name}_ns`] as number]] : [])))
}

function listOf(text: Value | undefined): Record<string, unknown>[] {
  return typeof text === 'string' ? (JSON.parse(text) as Record<string, unknown>[]) : []
}

function withoutNames(row: Row): Record<string, Value> {
  const common = ['ts', 'source', 'service', 'host']
  return Object.fromEntries(Object.entries(row).filter(([name]) => !common.includes(name)))
}

function notFound({ wanted, foundInPart, others }: TaskFollower): string {
  const [first] = foundInPart
  if (first !== undefined) {
    const { id, type, missing } = first
    const kind = type === undefined ? '' : ` (${type})`
    return `task ${id}${kind} matches ${wanted}, but its ${missing} is not in the recording: record for longer`
  }
  if (others.length === 0)
    return `there is no task ${wanted}: no user task (runtime/trace.NewTask) ended in the recording`
  const named = others.map(({ id, type, logged }) => [`${id} (${type})`, ...logged].join(' '))
  return `there is no task with the number or the logged id ${wanted}; there are: ${named.join(', ')}`
}
