import { Ev, type GoEvent, type GoTraceReader } from '../gotrace/index.js'
import type { Goroutine, TimelineListener, TimelineView } from '../timeline/model.js'
import { addLog, noLogs } from './taskLogs.js'
import { newWork, type OpenRegion, type OpenTask, type TrackerState, type Work } from './taskState.js'
import { addPiece, countTo, newTaskTime } from './taskTime.js'

/** More open tasks than this are tasks that nobody ends: the oldest is given up. */
const openTasksKept = 20_000
const ancestorsFollowed = 32
const goroutinesRemembered = 1000
/** Waits while a handler works for the client to hang up: no part of the request, though the handler starts it by reading the body. Source: net/http. */
const watcher = 'net/http.(*connReader).backgroundRead'
/** Where nobody asks for a region's times. */
const noTimesKept: readonly number[] = []

export type Annotation = 'task' | 'region'

export interface TrackerHooks {
  taskEnded?(task: OpenTask, endNs: number): void
  regionEnded?(region: OpenRegion, goid: number, endNs: number, byClass: readonly number[]): void
  /** A piece of a goroutine that works for the task. */
  piece?(task: OpenTask, goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void
  /** Its begin is not in the trace. */
  beganBefore?(what: Annotation, atNs: number): void
  /** It is given up while open: its end is not in the trace, or a region's goroutine ended. `task` is undefined for a region. */
  notEnded?(what: Annotation, atNs: number, task?: OpenTask): void
}

/**
 * Follows user tasks and regions, and says who works for which task. A goroutine works for one task at a time, and for that task's
 * ancestors: for the task of its innermost region that has one; outside regions for the task it began last of those still open; else for the
 * task its creator worked for when it made it, while that one is open.
 */
export class TaskTracker implements TimelineListener {
  static readonly goTypes: readonly number[] = [
    Ev.Sync,
    Ev.UserTaskBegin,
    Ev.UserTaskEnd,
    Ev.UserRegionBegin,
    Ev.UserRegionEnd,
    Ev.UserLog,
    Ev.GoCreate,
    Ev.GoCreateBlocked,
    Ev.GoDestroy,
    Ev.GoDestroySyscall,
  ]
  readonly goTypes = TaskTracker.goTypes

  constructor(
    readonly state: TrackerState,
    private readonly hooks: TrackerHooks,
  ) {}

  goEvent(event: GoEvent, reader: GoTraceReader, atNs: number, view: TimelineView): void {
    switch (event.type) {
      case Ev.Sync:
        return this.enterPiece(reader.pieceIndex, atNs)
      case Ev.UserTaskBegin:
        return this.beginTask(event, atNs, view)
      case Ev.UserTaskEnd:
        return this.endTask(event.args[0]!, atNs, view)
      case Ev.UserRegionBegin:
        return this.beginRegion(event, reader, atNs, view)
      case Ev.UserRegionEnd:
        return this.endRegion(event, reader, atNs, view)
      case Ev.UserLog:
        return this.log(event, reader, atNs)
      case Ev.GoCreate:
      case Ev.GoCreateBlocked:
        return this.create(event, reader, atNs)
      default:
        return this.destroy(event.goid, atNs, view)
    }
  }

  segment(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    const { tasks, works } = this.state
    const work = works.get(goroutine.goid)
    if (work === undefined || toNs <= work.toldNs) return
    fromNs = Math.max(fromNs, work.toldNs)
    work.byClass[classId]! += toNs - fromNs
    if (work.task < 0) return
    const own = tasks.get(work.task)!
    this.addPiece(own, goroutine, fromNs, toNs, classId)
    const { chain } = own
    for (let i = 1; i < chain.length; i++) {
      const ancestor = tasks.get(chain[i]!)
      if (ancestor !== undefined) this.addPiece(ancestor, goroutine, fromNs, toNs, classId)
    }
  }

  /** A task ends, or another begins to count, while a goroutine that works for it waits for a P: what was the kernel's part is not known then. */
  waitSoFar(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    this.segment(goroutine, fromNs, toNs, classId)
    const work = this.state.works.get(goroutine.goid)
    if (work !== undefined) work.toldNs = toNs
  }

  private addPiece(task: OpenTask, goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    addPiece(task.time, goroutine.goid, fromNs, toNs, classId)
    this.hooks.piece?.(task, goroutine, fromNs, toNs, classId)
  }

  /** Nothing more is known of what is open: the trace ended, or what follows does not follow it. */
  abandon(atNs: number): void {
    const { tasks, works } = this.state
    for (const task of tasks.values()) this.hooks.notEnded?.('task', atNs, task)
    for (const work of works.values()) this.dropRegions(work, atNs)
    tasks.clear()
    works.clear()
  }

  /** What is open across a hole in the trace may have ended in it. */
  private enterPiece(pieceIndex: number, atNs: number): void {
    const { state } = this
    if (pieceIndex !== state.pieceIndex) this.abandon(atNs)
    state.pieceIndex = pieceIndex
  }

  private beginTask(event: GoEvent, atNs: number, view: TimelineView): void {
    const { tasks } = this.state
    const id = event.args[0]!
    const parent = event.parentTask
    const ancestors = tasks.get(parent)?.chain
    const chain = [id]
    if (ancestors !== undefined)
      chain.push(...ancestors.filter((ancestor) => tasks.has(ancestor)).slice(0, ancestorsFollowed))
    tasks.set(id, {
      id,
      type: event.name,
      parent,
      chain,
      goid: event.goid,
      beginNs: atNs,
      time: newTaskTime(atNs),
      logs: noLogs(),
      goids: new Set(),
      longestWaits: [],
    })
    const work = this.workOf(event.goid)
    work.began.push(id)
    this.choose(event.goid, work, atNs, view)
    if (tasks.size <= openTasksKept) return
    const [oldest] = tasks.values()
    this.hooks.notEnded?.('task', atNs, oldest)
    this.close(oldest!, atNs, view)
  }

  private endTask(id: number, atNs: number, view: TimelineView): void {
    const task = this.state.tasks.get(id)
    if (task === undefined) return this.hooks.beganBefore?.('task', atNs)
    for (const goid of task.time.workers.keys()) {
      const goroutine = view.goroutines.get(goid)
      if (goroutine !== undefined) view.tellUpTo(goroutine, atNs)
    }
    countTo(task.time, atNs)
    this.hooks.taskEnded?.(task, atNs)
    this.close(task, atNs, view)
  }

  /** Whoever works for it turns to something else. */
  private close(task: OpenTask, atNs: number, view: TimelineView): void {
    const goids = [...task.time.workers.keys()]
    for (const goid of goids) {
      const goroutine = view.goroutines.get(goid)
      if (goroutine !== undefined) view.tellUpTo(goroutine, atNs)
      const work = this.state.works.get(goid)
      if (work?.task !== task.id) continue
      this.leave(goid, work)
    }
    this.state.tasks.delete(task.id)
    for (const goid of goids) {
      const work = this.state.works.get(goid)
      if (work !== undefined) this.choose(goid, work, atNs, view)
    }
  }

  private beginRegion(event: GoEvent, reader: GoTraceReader, atNs: number, view: TimelineView): void {
    const { goid } = event
    this.cut(goid, atNs, view)
    const work = this.workOf(goid)
    work.regions.push({
      task: event.args[0]!,
      type: reader.string(event.args[1]!),
      beginNs: atNs,
      ordinal: ++work.regionsBegun,
      depth: work.regions.length,
      logs: noLogs(),
      before: this.hooks.regionEnded === undefined ? noTimesKept : work.byClass.slice(),
    })
    this.choose(goid, work, atNs, view)
  }

  /** Regions that a program ends in the wrong order stay open until their own end. */
  private endRegion(event: GoEvent, reader: GoTraceReader, atNs: number, view: TimelineView): void {
    const { goid } = event
    this.cut(goid, atNs, view)
    const task = event.args[0]!
    const type = reader.string(event.args[1]!)
    const work = this.state.works.get(goid)
    const at = work === undefined ? -1 : lastRegion(work.regions, task, type)
    if (work === undefined || at < 0) return this.hooks.beganBefore?.('region', atNs)
    const region = work.regions[at]!
    if (at === work.regions.length - 1) work.regions.pop()
    else work.regions.splice(at, 1)
    if (this.hooks.regionEnded !== undefined) {
      const byClass = work.byClass.map((ns, id) => ns - region.before[id]!)
      this.hooks.regionEnded(region, goid, atNs, byClass)
    }
    this.choose(goid, work, atNs, view)
  }

  private log(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    const { goid, args } = event
    const task = this.state.tasks.get(args[0]!)
    const region = this.state.works.get(goid)?.regions.at(-1)
    if (task === undefined && region === undefined) return
    const log = { atNs, goid, category: reader.string(args[1]!), message: reader.string(args[2]!) }
    if (task !== undefined) addLog(task.logs, log)
    if (region !== undefined) addLog(region.logs, log)
  }

  private create(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    const { tasks, works } = this.state
    const task = tasks.get(works.get(event.goid)?.task ?? -1)
    if (task === undefined || reader.stack(event.args[1]!)[0]?.func === watcher) return
    const goid = event.args[0]!
    const work = newWork(task.chain)
    works.set(goid, work)
    this.enter(goid, work, task.id, atNs)
  }

  private destroy(goid: number, atNs: number, view: TimelineView): void {
    const work = this.state.works.get(goid)
    if (work === undefined) return
    this.cut(goid, atNs, view)
    this.leave(goid, work)
    this.dropRegions(work, atNs)
    this.state.works.delete(goid)
  }

  private dropRegions({ regions }: Work, atNs: number): void {
    for (let left = regions.length; left > 0; left--) this.hooks.notEnded?.('region', atNs)
  }

  private workOf(goid: number): Work {
    const { works } = this.state
    let work = works.get(goid)
    if (work === undefined) works.set(goid, (work = newWork([])))
    return work
  }

  /** Lets the goroutine work for the task that is its own now; forgets it when it has no more to do with any. */
  private choose(goid: number, work: Work, atNs: number, view: TimelineView): void {
    const { tasks, works } = this.state
    const { began } = work
    for (let i = began.length - 1; i >= 0; i--) if (!tasks.has(began[i]!)) began.splice(i, 1)
    const wanted = wantedTask(work, tasks)
    const task = tasks.has(wanted) ? wanted : -1
    if (task !== work.task) {
      this.cut(goid, atNs, view)
      this.leave(goid, work)
      if (task >= 0) this.enter(goid, work, task, atNs)
    }
    if (task < 0 && work.regionsBegun === 0) works.delete(goid)
  }

  private enter(goid: number, work: Work, id: number, atNs: number): void {
    const { tasks } = this.state
    work.task = id
    const { chain } = tasks.get(id)!
    for (let i = 0; i < chain.length; i++) {
      const task = tasks.get(chain[i]!)
      if (task === undefined) continue
      task.time.workers.set(goid, atNs)
      if (task.goids.size < goroutinesRemembered) task.goids.add(goid)
    }
  }

  private leave(goid: number, work: Work): void {
    const { tasks } = this.state
    const chain = tasks.get(work.task)?.chain ?? []
    for (let i = 0; i < chain.length; i++) tasks.get(chain[i]!)?.time.workers.delete(goid)
    work.task = -1
  }

  private cut(goid: number, atNs: number, view: TimelineView): void {
    const goroutine = view.goroutines.get(goid)
    if (goroutine !== undefined) view.tellUpTo(goroutine, atNs)
  }
}

function lastRegion(regions: readonly OpenRegion[], task: number, type: string): number {
  let at = regions.length - 1
  while (at >= 0 && (regions[at]!.task !== task || regions[at]!.type !== type)) at--
  return at
}

/** The task of the innermost region that has one; else what it began last; else what it was made for. -1 = none. `began` are open ones. */
function wantedTask({ regions, began, inherited }: Work, tasks: ReadonlyMap<number, OpenTask>): number {
  for (let at = regions.length - 1; at >= 0; at--) if (regions[at]!.task !== 0) return regions[at]!.task
  if (began.length > 0) return began[began.length - 1]!
  for (let i = 0; i < inherited.length; i++) if (tasks.has(inherited[i]!)) return inherited[i]!
  return -1
}
