import { GoState } from '../gotrace/index.js'
import type { PerfRecord, PerfScriptReader } from '../perf/index.js'
import { joinPerfFrames } from '../stacks/perfText.js'
import { ClassId, Kernel, timeClasses } from '../timeline/classes.js'
import type { Goroutine, Thread, TimelineListener, TimelineView } from '../timeline/model.js'
import { newTrackerState } from './taskState.js'
import { TaskTracker } from './taskTracker.js'

/**
 * What time is counted by stack:
 * - `on_cpu`: samples of perf's clock, each as long as its period, with its kernel and Go frames.
 * - `off_cpu`: a thread off its CPU, with the stack it left it with; the leaf says why.
 * - `blocked`: a goroutine that waits or is runnable, with the stack it stopped running with, until it runs again; the leaf says
 *   what it waited for. Goroutines of the runtime that are parked until there is work are left out.
 */
export const stackKinds = ['on_cpu', 'off_cpu', 'blocked'] as const
export type StackKind = (typeof stackKinds)[number]

/** Frames at the leaf end, by number: none on a CPU, the kernel's state (Kernel) off it, the class (ClassId) of a blocked goroutine. */
export const leafNames: Readonly<Record<StackKind, readonly string[]>> = {
  on_cpu: [''],
  off_cpu: ['', '', '[preempted]', '[asleep]', '[disk]', '[stopped]', '[off]'],
  blocked: timeClasses.map((name) => `[${name}]`),
}

/** What stands at the root: the goroutine's start function, its thread, the type of its user task, or its class. */
export const stackRoots = ['goroutine', 'thread', 'task', 'state'] as const
/** `comm`: the thread's name alone. */
export type StackRoot = (typeof stackRoots)[number] | 'comm'

/** Roots where the chosen one is not there. */
const noGoroutine = '[runtime]'
const unnamedGoroutine = '[goroutine]'
const noTask = '[no task]'
const noThread = '[no thread]'

/**
 * Is told of a piece of time with its stack: of a sample of `ns` at `fromNs` (= `toNs`), or of a piece that lasted `ns`. `tid`
 * and `goid` are -1 where there is none.
 */
export interface StackTimeTaker {
  stackTime(
    kind: StackKind,
    root: string,
    frames: string,
    leaf: number,
    fromNs: number,
    toNs: number,
    ns: number,
    tid: number,
    goid: number,
  ): void
}

/** Events of perf whose period is the time until the next one, ns. */
const clockEvents: ReadonlySet<string> = new Set(['cpu-clock', 'task-clock'])

/** Finds the stack and the root of every piece of time. Keeps nothing, except for the root `task`. */
export class StackTime implements TimelineListener {
  /** For the root `task`: hears who works for which, and has to be told everything, as a task may begin before the part that is selected. */
  readonly observer: TimelineListener | undefined
  private readonly tracked = newTrackerState()

  constructor(
    private readonly taker: StackTimeTaker,
    private readonly by: StackRoot = 'goroutine',
  ) {
    if (by !== 'task') return
    const tracker = new TaskTracker(this.tracked, {})
    this.observer = { goTypes: tracker.goTypes, goEvent: (...event) => tracker.goEvent(...event) }
  }

  wantsPerfEvent(name: string): boolean {
    return clockEvents.has(name)
  }

  perfSample(record: PerfRecord, reader: PerfScriptReader, atNs: number, view: TimelineView): void {
    const thread = view.threads.get(record.tid)
    const goroutine = thread === undefined ? undefined : carriedBy(thread, view)
    const parts = split(joinPerfFrames(reader.stack(record.stackId)))
    const root = this.rootOnThread(goroutine, thread, record.comm, parts, Kernel.OnCpu, view)
    const ns = record.period > 1 ? record.period : nominalPeriodNs(record, reader)
    this.taker.stackTime('on_cpu', root, below(root, parts), 0, atNs, atNs, ns, record.tid, goroutine?.goid ?? -1)
  }

  threadTime(thread: Thread, fromNs: number, toNs: number, kernel: number, view: TimelineView): void {
    if (kernel <= Kernel.OnCpu) return
    const goroutine = carriedBy(thread, view)
    const parts = split(thread.offStack)
    const root = this.rootOnThread(goroutine, thread, thread.comm, parts, kernel, view)
    const goid = goroutine?.goid ?? -1
    this.taker.stackTime('off_cpu', root, below(root, parts), kernel, fromNs, toNs, toNs - fromNs, thread.tid, goid)
  }

  segment(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    if (goroutine.state !== GoState.Waiting && goroutine.state !== GoState.Runnable) return
    if (classId === ClassId.system_wait) return
    const parts = splitGo(goroutine.waitStack)
    const root = this.rootWaiting(goroutine, parts, classId)
    const frames = below(root, parts)
    this.taker.stackTime('blocked', root, frames, classId, fromNs, toNs, toNs - fromNs, -1, goroutine.goid)
  }

  private rootOnThread(
    goroutine: Goroutine | undefined,
    thread: Thread | undefined,
    comm: string,
    parts: Parts,
    kernel: number,
    view: TimelineView,
  ): string {
    switch (this.by) {
      case 'thread':
        return `${plain(comm)}/${thread?.tid ?? '?'}`
      case 'comm':
        return plain(comm)
      case 'state':
        return goroutine === undefined ? noGoroutine : timeClasses[view.classWith(goroutine, kernel)]!
      case 'task':
        return this.taskType(goroutine?.goid ?? -1)
      case 'goroutine':
        if (goroutine !== undefined) return goroutineRoot(goroutine, parts)
        if (thread?.seenByGo !== true) return parts.text.startsWith('runtime.') ? noGoroutine : plain(comm)
        // A goroutine that the trace has not listed yet, or that has just begun: its stack tells its start function.
        return parts.start === '' ? noGoroutine : parts.start
    }
  }

  private rootWaiting(goroutine: Goroutine, parts: Parts, classId: number): string {
    switch (this.by) {
      case 'thread':
      case 'comm':
        return noThread
      case 'state':
        return timeClasses[classId]!
      case 'task':
        return this.taskType(goroutine.goid)
      case 'goroutine':
        return goroutineRoot(goroutine, parts)
    }
  }

  /** Of the task that the goroutine works for, as TaskTracker has it. */
  private taskType(goid: number): string {
    const { works, tasks } = this.tracked
    return tasks.get(works.get(goid)?.task ?? -1)?.type.replaceAll(';', ':') ?? noTask
  }
}

function carriedBy(thread: Thread, view: TimelineView): Goroutine | undefined {
  return thread.goid < 0 ? undefined : view.goroutines.get(thread.goid)
}

function goroutineRoot(goroutine: Goroutine, parts: Parts): string {
  if (goroutine.startFunc !== '') return goroutine.startFunc
  return parts.start === '' ? unnamedGoroutine : parts.start
}

/** A thread's name as a frame. */
function plain(comm: string): string {
  return comm === '' ? '[unknown]' : comm.replaceAll(';', ':')
}

/** Without a period in the text, each sample stands for the time that was asked for. */
function nominalPeriodNs(record: PerfRecord, reader: PerfScriptReader): number {
  const name = reader.eventName(record.eventId)
  const asked = reader.header.events.find((event) => event.name === name)
  return asked?.sampleFreq === undefined ? (asked?.samplePeriod ?? record.period) : Math.round(1e9 / asked.sampleFreq)
}

/** A stack's text, and where it begins with a goroutine's start function, that function and the frames below it. */
interface Parts {
  readonly text: string
  readonly start: string
  readonly rest: string
}

/** The frames below a root: a start function is not repeated below itself. */
function below(root: string, parts: Parts): string {
  return parts.start === root ? parts.rest : parts.text
}

const remembered = 1 << 14
const goStacks = new Map<string, Parts>()
const perfStacks = new Map<string, Parts>()

/** A stack of the Go trace begins with the start function. */
function splitGo(text: string): Parts {
  return goStacks.get(text) ?? remember(goStacks, text, startingWith(text))
}

/** What the Go trace leaves out below a start function: where it returns to, and what the compiler wraps it in to pass arguments. */
const bottom = /^runtime\.goexit;(?:[^;]+\.gowrap\d+;)?/

/** perf sees the return address below it, unless the thread was on the system's stack. */
function split(text: string): Parts {
  const known = perfStacks.get(text)
  if (known !== undefined) return known
  const parts = bottom.test(text) ? startingWith(text.replace(bottom, '')) : { text, start: '', rest: '' }
  return remember(perfStacks, text, parts)
}

function startingWith(text: string): Parts {
  const at = text.indexOf(';')
  return at < 0 ? { text, start: text, rest: '' } : { text, start: text.slice(0, at), rest: text.slice(at + 1) }
}

/** Only saves time: forgetting changes no result. */
function remember(map: Map<string, Parts>, text: string, parts: Parts): Parts {
  if (map.size >= remembered) map.clear()
  map.set(text, parts)
  return parts
}
