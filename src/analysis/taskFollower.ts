import { Ev, type GoEvent, type GoTraceReader } from '../gotrace/index.js'
import { isIdCategory, type TaskLogs } from '../measures/taskLogs.js'
import { newTrackerState, type OpenTask } from '../measures/taskState.js'
import { TaskTracker } from '../measures/taskTracker.js'
import { ClassId, timeClasses } from '../timeline/classes.js'
import type { Goroutine, TimelineListener } from '../timeline/model.js'
import type { Interval } from './selection.js'

/** Tasks that are kept when more match, pieces kept of each, and tasks named when none does. */
const tasksKept = 10
const piecesKept = 20_000
const tasksNamed = 5
/** What is kept of a piece. */
type FlatPiece = [goid: number, fromNs: number, toNs: number, classId: number, stack: number]
const pieceNumbers = 5 satisfies FlatPiece['length']

/** In these a goroutine's stack says where: in others it has moved on since it stopped. */
const placed: ReadonlySet<number> = new Set([
  ClassId.net_wait,
  ClassId.sync_wait,
  ClassId.sleep,
  ClassId.syscall_cpu,
  ClassId.syscall_blocked,
])

/** A part of a goroutine's life while it worked for a task. */
export interface FollowedPiece {
  readonly goid: number
  readonly fromNs: number
  toNs: number
  /** Time by class id. */
  readonly byClass: number[]
  /** Where it waited, or made a system call, for longest without interruption; undefined when it did not, or that is not known. */
  place: Place | undefined
}

export interface Place {
  readonly classId: number
  /** Functions, root first, joined by ';'. */
  readonly stack: string
  readonly ns: number
}

export interface FollowedTask {
  readonly id: number
  readonly type: string
  readonly beginNs: number
  readonly endNs: number
  readonly goids: readonly number[]
  /** Itself, and the tasks under it that ended before it did. */
  readonly tasks: readonly number[]
  /** In the order of their begin. */
  readonly pieces: readonly FollowedPiece[]
  /** Pieces beyond what is kept. */
  readonly piecesCut: number
  /** Function each goroutine was started with. */
  readonly functions: ReadonlyMap<number, string>
  /** When each goroutine worked for it, in order, without overlap. */
  readonly intervals: ReadonlyMap<number, readonly Interval[]>
}

/** A task that matches, but of which the trace has a part only: it cannot be followed. */
export interface PartialTask {
  readonly id: number
  /** undefined where the begin, which tells it, is missing. */
  readonly type: string | undefined
  readonly missing: 'begin' | 'end'
}

interface Collected {
  /** The numbers of one piece after another's, see FlatPiece. */
  readonly pieces: number[]
  cut: number
  readonly functions: Map<number, string>
  /** Tasks under it that have ended. */
  readonly tasks: number[]
  readonly intervals: Map<number, { readonly fromNs: number; toNs: number }[]>
}

/** A task that matches, and what it lies in. */
interface Match {
  readonly task: FollowedTask
  readonly ancestors: readonly number[]
}

const nothingCollected = (): Collected => ({
  pieces: [],
  cut: 0,
  functions: new Map(),
  tasks: [],
  intervals: new Map(),
})

/** A task's number, or what it logged in a category that names an id (see isIdCategory). */
export function isWantedTask(wanted: string, id: number, logs: TaskLogs): boolean {
  if (String(id) === wanted) return true
  return logs.kept.some(({ category, message }) => message === wanted && isIdCategory(category))
}

/**
 * Follows the tasks that somebody asks for by number or by logged id. What a task is called is known when it ends at the latest, so the
 * pieces of every open task are kept until then. A match that ended within another one is followed with that one, and has no entry of its own.
 */
export class TaskFollower implements TimelineListener {
  private kept: Match[] = []
  /** Matches beyond what is kept. */
  private left: Pick<FollowedTask, 'id' | 'beginNs'>[] = []
  /** Some tasks that there are, for whoever asked for one that there is not. */
  readonly others: { readonly id: number; readonly type: string; readonly logged: readonly string[] }[] = []
  private readonly partial = new Map<number, PartialTask>()
  /** Whoever has a lower number and turns up began before the trace: Go counts tasks as they begin. */
  private lowestBegun = Infinity
  private readonly open = new Map<number, Collected>()
  /** Stack → its number; the first is none. */
  private readonly stacks = new Map<string, number>([['', 0]])
  private readonly tracker: TaskTracker

  constructor(readonly wanted: string) {
    this.tracker = new TaskTracker(newTrackerState(), {
      piece: (task, goroutine, fromNs, toNs, classId) => this.piece(task.id, goroutine, fromNs, toNs, classId),
      taskEnded: (task, endNs) => this.ended(task, endNs),
      notEnded: (_what, _atNs, task) => {
        if (task !== undefined) this.dropped(task)
      },
    })
  }

  /** In the order of their end. */
  get found(): readonly FollowedTask[] {
    return this.kept.map(({ task }) => task)
  }

  /** How many more match. */
  get foundCut(): number {
    return this.left.length
  }

  /** In the order in which that turned out. One that lies within another of these is not told of by itself. */
  get foundInPart(): readonly PartialTask[] {
    return [...this.partial.values()]
  }

  readonly goTypes = TaskTracker.goTypes
  readonly goEvent: Required<TimelineListener>['goEvent'] = (event, reader, atNs, view) => {
    this.noteBegun(event, reader)
    this.tracker.goEvent(event, reader, atNs, view)
  }
  readonly segment: Required<TimelineListener>['segment'] = (...told) => this.tracker.segment(...told)
  readonly waitSoFar: Required<TimelineListener>['waitSoFar'] = (...told) => this.tracker.waitSoFar(...told)

  /** The trace is over. */
  finish(): void {
    this.tracker.abandon(0)
  }

  /** The tracker passes over what it has not seen begin. */
  private noteBegun({ type, args }: GoEvent, reader: GoTraceReader): void {
    const id = args[0]!
    if (type === Ev.UserTaskBegin) this.lowestBegun = Math.min(this.lowestBegun, id)
    if ((type !== Ev.UserTaskEnd && type !== Ev.UserLog) || id === 0 || id >= this.lowestBegun) return
    const isNamed = () => isIdCategory(reader.string(args[1]!)) && reader.string(args[2]!) === this.wanted
    if (String(id) !== this.wanted && !(type === Ev.UserLog && isNamed())) return
    this.partial.set(id, { id, type: undefined, missing: 'begin' })
  }

  private piece(id: number, goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    const collected = this.collectedOf(id)
    const { goid, waitStack } = goroutine
    if (collected.pieces.length >= pieceNumbers * piecesKept) collected.cut++
    else collected.pieces.push(goid, fromNs, toNs, classId, this.stackNumber(placed.has(classId) ? waitStack : ''))
    collected.functions.set(goroutine.goid, goroutine.startFunc)
    const intervals = collected.intervals.get(goroutine.goid)
    const last = intervals?.at(-1)
    if (intervals === undefined) collected.intervals.set(goroutine.goid, [{ fromNs, toNs }])
    else if (last!.toNs === fromNs) last!.toNs = toNs
    else intervals.push({ fromNs, toNs })
  }

  private stackNumber(stack: string): number {
    let number = this.stacks.get(stack)
    if (number === undefined) this.stacks.set(stack, (number = this.stacks.size))
    return number
  }

  private collectedOf(id: number): Collected {
    let collected = this.open.get(id)
    if (collected === undefined) this.open.set(id, (collected = nothingCollected()))
    return collected
  }

  private ended(task: OpenTask, endNs: number): void {
    const collected = this.collectedOf(task.id)
    this.open.delete(task.id)
    const { id, type, logs, chain } = task
    for (const ancestor of chain.slice(1)) {
      if (this.tracker.state.tasks.has(ancestor)) this.collectedOf(ancestor).tasks.push(id)
    }
    if (!isWantedTask(this.wanted, id, logs)) {
      const logged = logs.kept.filter(({ category }) => isIdCategory(category)).map(({ message }) => message)
      if (this.others.length < tasksNamed) this.others.push({ id, type, logged })
    } else {
      this.keep(task, endNs, collected)
    }
  }

  private keep(task: OpenTask, endNs: number, collected: Collected): void {
    const { id, type, beginNs, goids, chain } = task
    if (collected.tasks.length > 0) {
      const within = new Set(collected.tasks)
      const isOutside = (other: Pick<FollowedTask, 'id' | 'beginNs'>) =>
        other.beginNs < beginNs || !within.has(other.id)
      this.kept = this.kept.filter((match) => isOutside(match.task))
      this.left = this.left.filter(isOutside)
    }
    const ancestors = chain.slice(1)
    if (this.kept.length >= tasksKept && !this.makeRoom(ancestors)) {
      this.left.push({ id, beginNs })
      return
    }
    const followed = {
      ...{ id, type, beginNs, endNs },
      goids: [...goids],
      tasks: [id, ...collected.tasks],
      pieces: piecesOf(collected.pieces, [...this.stacks.keys()]),
      piecesCut: collected.cut,
      functions: collected.functions,
      intervals: collected.intervals,
    }
    this.kept.push({ task: followed, ancestors })
  }

  /** Leaves out the match that is likeliest to make way for an ancestor; false when one with these ancestors is as likely to. */
  private makeRoom(ancestors: readonly number[]): boolean {
    const doubts = this.kept.map((match) => this.doubt(match.ancestors))
    const greatest = Math.max(...doubts)
    if (greatest <= this.doubt(ancestors)) return false
    const [leaving] = this.kept.splice(doubts.lastIndexOf(greatest), 1)
    const { id, beginNs } = leaving!.task
    this.left.push({ id, beginNs })
    return true
  }

  /** How likely a match is to make way for one of its ancestors: 2 = one is open and matches, 1 = one is open and may come to, 0 = none is open. */
  private doubt(ancestors: readonly number[]): number {
    const open = ancestors.flatMap((ancestor) => this.tracker.state.tasks.get(ancestor) ?? [])
    if (open.some(({ id, logs }) => isWantedTask(this.wanted, id, logs))) return 2
    return open.length > 0 ? 1 : 0
  }

  private dropped({ id, type, logs, chain }: OpenTask): void {
    this.open.delete(id)
    if (!isWantedTask(this.wanted, id, logs) || chain.slice(1).some((ancestor) => this.partial.has(ancestor))) return
    this.partial.set(id, { id, type, missing: 'end' })
  }
}

function piecesOf(flat: readonly number[], stacks: readonly string[]): FollowedPiece[] {
  const pieces: FollowedPiece[] = []
  for (let i = 0; i < flat.length; i += pieceNumbers) {
    const [goid, fromNs, toNs, classId, stack] = flat.slice(i, i + pieceNumbers) as FlatPiece
    const ns = toNs - fromNs
    const place = stack === 0 ? undefined : { classId, stack: stacks[stack]!, ns }
    pieces.push({ goid, fromNs, toNs, byClass: timeClasses.map((_, id) => (id === classId ? ns : 0)), place })
  }
  return pieces.sort((a, b) => a.fromNs - b.fromNs || a.goid - b.goid)
}

/**
 * Fewer, longer pieces: neighbours of a goroutine become one when they are mostly of one class, or when one of them is shorter than
 * `smallNs`. No time is lost: `byClass` has what each holds.
 */
export function mergePieces(pieces: readonly FollowedPiece[], smallNs: number): FollowedPiece[] {
  const lastOf = new Map<number, FollowedPiece>()
  const merged: FollowedPiece[] = []
  for (const piece of pieces) {
    const last = lastOf.get(piece.goid)
    if (last?.toNs === piece.fromNs && belongTogether(last, piece, smallNs)) {
      last.toNs = piece.toNs
      piece.byClass.forEach((ns, id) => (last.byClass[id]! += ns))
      if ((piece.place?.ns ?? 0) > (last.place?.ns ?? 0)) last.place = piece.place
    } else {
      const copy = { ...piece, byClass: [...piece.byClass] }
      lastOf.set(piece.goid, copy)
      merged.push(copy)
    }
  }
  return merged
}

/** Class id that most of the piece is. */
export function mainClass({ byClass }: FollowedPiece): number {
  return byClass.reduce((best, ns, id) => (ns > byClass[best]! ? id : best), 0)
}

function belongTogether(a: FollowedPiece, b: FollowedPiece, smallNs: number): boolean {
  return mainClass(a) === mainClass(b) || a.toNs - a.fromNs < smallNs || b.toNs - b.fromNs < smallNs
}
