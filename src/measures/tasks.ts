import { ClassId, type TimeClass, timeClasses } from '../timeline/classes.js'
import { classColumns, setClasses } from './classColumns.js'
import type { Measure } from './measure.js'
import { bucketAt, type Seconds, takeEnded } from './seconds.js'
import type { Column, Table } from './table.js'
import { firstId, logsText } from './taskLogs.js'
import { newTrackerState, type OpenTask, type TaskWait, type TrackerState } from './taskState.js'
import { type Annotation, TaskTracker, type TrackerHooks } from './taskTracker.js'

const goroutinesShown = 16

const logColumns: readonly Column[] = [
  {
    name: 'logs',
    type: 'text',
    doc: 'what trace.Log said: JSON list of {at_ns from its begin, goroutine, category, message}; null when nothing',
  },
  { name: 'logs_cut', type: 'long', doc: 'logs that were too many or too long for that list' },
]

export const tasksTable: Table = {
  name: 'tasks',
  doc: 'One user task (trace.NewTask) whose begin and end are in the trace; ts is its begin',
  columns: [
    { name: 'type', type: 'symbol', doc: 'its type, as the program named it' },
    { name: 'task', type: 'long', doc: 'its id' },
    { name: 'parent', type: 'long', doc: 'id of its parent task; null when it has none' },
    {
      name: 'log_id',
      type: 'text',
      doc: 'first message logged in a category that names an id, such as task-id; or null',
    },
    { name: 'goroutine', type: 'long', doc: 'goroutine that began it' },
    {
      name: 'goroutines',
      type: 'text',
      doc: `JSON list of the goroutines that worked for it or for a task under it, the first ${goroutinesShown}`,
    },
    { name: 'goroutine_count', type: 'long', doc: 'how many those were; 1000 stands for 1000 or more' },
    { name: 'duration_ns', type: 'long', doc: 'begin to end, ns: the sum of the classes and unattended_ns' },
    ...classColumns().map((column) => ({ ...column, doc: `the goroutine furthest in progress was: ${column.doc}` })),
    { name: 'unattended_ns', type: 'long', doc: 'no goroutine worked for it, ns' },
    { name: 'goroutine_ns', type: 'long', doc: 'time its goroutines worked for it, summed over goroutines, ns' },
    { name: 'cpu_ns', type: 'long', doc: 'of which known to be on a CPU, ns' },
    {
      name: 'longest_wait',
      type: 'text',
      doc: 'JSON: the longest wait of a goroutine that worked for it, in the class that took most of its time if that is one of waiting, {goroutine, function, class, ns, stack}, functions root first; null when it was shorter than a quarter of the threshold slowTask',
    },
    ...logColumns,
  ],
  keys: ['task'],
  ttlDays: 30,
  event: { ts: 'begin', length: 'duration_ns' },
}

export const regionsTable: Table = {
  name: 'regions',
  doc: 'One region (trace.WithRegion, trace.StartRegion) whose begin and end are in the trace; ts is its begin',
  columns: [
    { name: 'type', type: 'symbol', doc: 'its type, as the program named it' },
    { name: 'task', type: 'long', doc: 'id of its task; null for the background task' },
    { name: 'goroutine', type: 'long', doc: 'goroutine it is on' },
    { name: 'region', type: 'long', doc: 'its number on the goroutine, from 1' },
    { name: 'depth', type: 'long', doc: 'regions of the goroutine it lies in' },
    { name: 'duration_ns', type: 'long', doc: 'begin to end, ns: the sum of the classes' },
    ...classColumns(),
    ...logColumns,
  ],
  keys: ['goroutine', 'region'],
  ttlDays: 30,
  event: { ts: 'begin', length: 'duration_ns' },
}

export const unfinishedTasksTable: Table = {
  name: 'unfinished_tasks',
  doc: 'Tasks and regions that have no row because one of their ends is not in the trace, one row a second and kind',
  columns: [
    { name: 'kind', type: 'symbol', doc: 'task or region' },
    { name: 'began_before', type: 'long', doc: 'ended in this second, but did not begin in the trace' },
    { name: 'not_ended', type: 'long', doc: 'open when the trace, the goroutine of the region or our patience ended' },
  ],
  keys: ['kind'],
  ttlDays: 30,
}

/** What `longest_wait` holds. */
export interface LongestWait {
  readonly goroutine: number
  readonly function: string
  readonly class: TimeClass
  readonly ns: number
  readonly stack: string
}

/** Classes in which a goroutine stays where its stack says. */
const waits: ReadonlySet<number> = new Set([
  ClassId.net_wait,
  ClassId.sync_wait,
  ClassId.sleep,
  ClassId.syscall_blocked,
])

interface Unfinished {
  beganBefore: number
  notEnded: number
}

interface State {
  readonly tracker: TrackerState
  readonly unfinished: Record<Annotation, Seconds<Unfinished>>
  /** The latest moment heard of: what is still open when the trace ends is counted there. */
  lastNs: number
}

/** User tasks and regions, with where their time went. Who works for a task: see TaskTracker. */
export const tasks: Measure = {
  name: 'tasks',
  tables: [tasksTable, regionsTable, unfinishedTasksTable],
  cutsLives: true,
  create(sink, { slowTaskNs }, saved) {
    const state = (saved ?? {
      tracker: newTrackerState(),
      unfinished: { task: new Map(), region: new Map() },
      lastNs: 0,
    }) as State
    const count = (what: Annotation, atNs: number) =>
      bucketAt(state.unfinished[what], sink, atNs, () => ({ beganBefore: 0, notEnded: 0 }))
    const hooks: TrackerHooks = {
      taskEnded(task, endNs) {
        if (!sink.wants(tasksTable)) return
        const { time, logs, goids } = task
        const row = sink.newRow(tasksTable, task.beginNs)
        row['type'] = task.type
        row['task'] = task.id
        row['parent'] = task.parent < 0 ? null : task.parent
        row['log_id'] = firstId(logs)
        row['goroutine'] = task.goid
        row['goroutines'] = listOf(goids)
        row['goroutine_count'] = goids.size
        row['duration_ns'] = endNs - task.beginNs
        setClasses(row, time.byClass)
        row['unattended_ns'] = time.unattendedNs
        row['goroutine_ns'] = time.goroutineNs
        row['cpu_ns'] = time.cpuNs
        row['longest_wait'] = waitText(task)
        row['logs'] = logsText(logs, task.beginNs)
        row['logs_cut'] = logs.cut
        sink.add(tasksTable, task.beginNs, row)
      },
      piece(task, { goid, startFunc, waitStack }, fromNs, toNs, classId) {
        const ns = toNs - fromNs
        if (ns * 4 >= slowTaskNs && waits.has(classId))
          noteWait(task, { goid, func: startFunc, ns, classId, stack: waitStack })
      },
      beganBefore: (what, atNs) => count(what, atNs).beganBefore++,
      notEnded: (what, atNs) => count(what, atNs).notEnded++,
    }
    if (sink.wants(regionsTable)) {
      hooks.regionEnded = (region, goid, endNs, byClass) => {
        const row = sink.newRow(regionsTable, region.beginNs)
        row['type'] = region.type
        row['task'] = region.task === 0 ? null : region.task
        row['goroutine'] = goid
        row['region'] = region.ordinal
        row['depth'] = region.depth
        row['duration_ns'] = endNs - region.beginNs
        setClasses(row, byClass)
        row['logs'] = logsText(region.logs, region.beginNs)
        row['logs_cut'] = region.logs.cut
        sink.add(regionsTable, region.beginNs, row)
      }
    }
    const tracker = new TaskTracker(state.tracker, hooks)
    return {
      state,
      goTypes: TaskTracker.goTypes,
      goEvent(event, reader, atNs, view) {
        state.lastNs = atNs
        tracker.goEvent(event, reader, atNs, view)
      },
      segment: (goroutine, fromNs, toNs, classId) => tracker.segment(goroutine, fromNs, toNs, classId),
      waitSoFar: (goroutine, fromNs, toNs, classId) => tracker.waitSoFar(goroutine, fromNs, toNs, classId),
      flush(beforeNs) {
        if (beforeNs === Infinity) tracker.abandon(state.lastNs)
        else state.lastNs = Math.max(state.lastNs, beforeNs)
        for (const kind of ['task', 'region'] as const) {
          for (const { startNs, bucket } of takeEnded(state.unfinished[kind], sink, beforeNs)) {
            const { beganBefore, notEnded } = bucket
            sink.row(unfinishedTasksTable, startNs, { kind, began_before: beganBefore, not_ended: notEnded })
          }
        }
      },
    }
  },
}

function noteWait({ longestWaits }: OpenTask, wait: TaskWait): void {
  const at = longestWaits.findIndex(({ classId }) => classId === wait.classId)
  if (at < 0) longestWaits.push(wait)
  else if (wait.ns > longestWaits[at]!.ns) longestWaits[at] = wait
}

function waitText({ longestWaits, time }: OpenTask): string | null {
  if (longestWaits.length === 0) return null
  const mainClass = time.byClass.indexOf(Math.max(...time.byClass))
  const wait =
    longestWaits.find(({ classId }) => classId === mainClass) ?? longestWaits.reduce((a, b) => (b.ns > a.ns ? b : a))
  const { goid, func, classId, ns, stack } = wait
  const told: LongestWait = { goroutine: goid, function: func, class: timeClasses[classId]!, ns, stack }
  return JSON.stringify(told)
}

/** JSON list of the first of them. */
function listOf(goids: ReadonlySet<number>): string {
  let text = ''
  let left = goroutinesShown
  for (const goid of goids) {
    if (left-- === 0) break
    text += text === '' ? String(goid) : `,${goid}`
  }
  return `[${text}]`
}
