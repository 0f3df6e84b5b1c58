import { ClassId, Kernel } from './classes.js'
import {
  type Goroutine,
  type KernelTotals,
  pollUnknown,
  type StopTheWorld,
  type Thread,
  type TimelineListener,
  type TimelineView,
} from './model.js'
import { type GoEvent, GoState } from '../gotrace/index.js'
import { holdsTimes } from './fractions.js'
import { type Hearer, hearersOf } from './hearers.js'
import { type Listed, takeListed } from './listed.js'
import { type EndedStop, isUnstopped, visitParts } from './runnable.js'
import { newService, seenByGo, type Service } from './service.js'

/** The open stop-the-world, with what is needed to say who was last to stop. */
export interface OpenStop {
  readonly stop: StopTheWorld
  /** Kernel state and totals of every thread at the request. */
  readonly atBegin: Map<number, { readonly kernel: number; readonly totals: KernelTotals }>
  /** CPU samples since the request: thread → stack, functions root first, joined by ';' → count. */
  readonly samples: Map<number, Map<string, number>>
  /** Set once the last P so far has stopped; the thread it held. */
  lastTid: number
  lastGoid: number
  lastFunc: string
  lastStack: string
  lastKernel: KernelTotals | undefined
  lastKernelAtBegin: number
  /** Its `samples` until it stopped. */
  lastSamples: ReadonlyMap<string, number>
}

/** Plain data: see model.ts. */
export interface TimelineState {
  /** Time of the latest event; never goes back. */
  nowNs: number
  goroutines: Map<number, Goroutine>
  threads: Map<number, Thread>
  /** P → thread that holds it, -1 = idle. */
  procs: Map<number, number>
  stop: OpenStop | undefined
  /** Those before it that lie in a wait for a P that has not been told yet, in order. */
  stops: EndedStop[]
  /** First event of the current trace, and the generation it belongs to; NaN, -1 = no trace yet. */
  traceStartNs: number
  firstGen: number
  lastGen: number
  /** Of the trace, see GoTraceReader. */
  pieceIndex: number
  /** Last Go event; goroutines live until here when the trace ends. */
  lastGoNs: number
  /** Last perf record; NaN = none yet. */
  lastPerfNs: number
  service: Service
  /** Return of the last epoll_pwait on any thread of the service. */
  lastPollNs: number
  commonThreads: number
  /** Returns to a CPU that perf did not record: `--switch-events` was missing, or records were lost. */
  missedSwitchIns: number
  /** sched_switch was found to be sampled: leaving a CPU is known from SWITCH records alone. */
  switchesRefused: boolean
  /** Switches come with the name of their thread: records without one are of a perf that records no switches. */
  switchesNamed: boolean
  /** Thread that was switched in last, by CPU. */
  switchedInOfCpu: number[]
  /** Time of the last record by CPU of the perf that records switches. */
  lastOfCpuNs: number[]
  listed: Listed
}

export function newTimelineState(): TimelineState {
  return {
    nowNs: -Infinity,
    goroutines: new Map(),
    threads: new Map(),
    procs: new Map(),
    stop: undefined,
    stops: [],
    traceStartNs: NaN,
    firstGen: -1,
    lastGen: -1,
    pieceIndex: -1,
    lastGoNs: NaN,
    lastPerfNs: NaN,
    service: newService(),
    lastPollNs: NaN,
    commonThreads: 0,
    missedSwitchIns: 0,
    switchesRefused: false,
    switchesNamed: false,
    switchedInOfCpu: [],
    lastOfCpuNs: [],
    listed: { tids: new Set(), sinceNs: NaN, sampled: false, known: false },
  }
}

export const noTotals = (): KernelTotals => ({
  onNs: 0,
  preemptedNs: 0,
  asleepNs: 0,
  diskNs: 0,
  offNs: 0,
  unknownNs: 0,
})
holdsTimes(noTotals(), 'onNs', 'preemptedNs', 'asleepNs', 'diskNs', 'offNs', 'unknownNs')

/** Who told of a switch: bits of `Thread.told`. */
export const SwitchTold = { BySchedSwitch: 1, ByRecord: 2 } as const

/** State and the operations every event handler shares. */
export class TimelineCore implements TimelineView {
  /** The thread asked for last. */
  private latest: Thread | undefined
  private readonly ofSegments: readonly Hearer<'segment'>[]
  private readonly ofWaitsSoFar: readonly Hearer<'waitSoFar'>[]
  private readonly ofThreadTime: readonly Hearer<'threadTime'>[]
  readonly ofStarts: readonly Hearer<'started'>[]
  readonly ofAbandoned: readonly Hearer<'abandoned'>[]
  readonly ofNetpollDelays: readonly Hearer<'netpollDelay'>[]
  readonly ofClockPairs: readonly Hearer<'clockPair'>[]
  readonly ofStops: readonly Hearer<'stopTheWorld'>[]
  readonly ofOffCpu: readonly Hearer<'offCpu'>[]
  readonly ofSwitchIns: readonly Hearer<'switchedIn'>[]
  readonly ofThreadEnds: readonly Hearer<'threadEnded'>[]
  readonly ofPollEnds: readonly Hearer<'pollEnded'>[]
  readonly ofThreadWrites: readonly Hearer<'threadWrote'>[]

  constructor(
    readonly state: TimelineState,
    listeners: readonly TimelineListener[],
  ) {
    this.ofSegments = hearersOf(listeners, 'segment')
    this.ofWaitsSoFar = hearersOf(listeners, 'waitSoFar')
    this.ofThreadTime = hearersOf(listeners, 'threadTime')
    this.ofStarts = hearersOf(listeners, 'started')
    this.ofAbandoned = hearersOf(listeners, 'abandoned')
    this.ofNetpollDelays = hearersOf(listeners, 'netpollDelay')
    this.ofClockPairs = hearersOf(listeners, 'clockPair')
    this.ofStops = hearersOf(listeners, 'stopTheWorld')
    this.ofOffCpu = hearersOf(listeners, 'offCpu')
    this.ofSwitchIns = hearersOf(listeners, 'switchedIn')
    this.ofThreadEnds = hearersOf(listeners, 'threadEnded')
    this.ofPollEnds = hearersOf(listeners, 'pollEnded')
    this.ofThreadWrites = hearersOf(listeners, 'threadWrote')
  }

  /** Somebody hears how threads spend their time. */
  get tellsThreadTime(): boolean {
    return this.ofThreadTime.length > 0
  }

  get goroutines(): ReadonlyMap<number, Goroutine> {
    return this.state.goroutines
  }

  get threads(): ReadonlyMap<number, Thread> {
    return this.state.threads
  }

  get procs(): ReadonlyMap<number, number> {
    return this.state.procs
  }

  /** While it lasts, goroutines that have existed since the start of the trace may still turn up. */
  get inFirstGeneration(): boolean {
    return this.state.firstGen >= 0 && this.state.firstGen === this.state.lastGen
  }

  thread(tid: number): Thread {
    return this.knownThread(tid) ?? this.newThread(tid)
  }

  /** undefined when neither track has spoken of it. One event is mostly about the thread of the one before. */
  knownThread(tid: number): Thread | undefined {
    const { latest } = this
    if (latest !== undefined && latest.tid === tid) return latest
    return (this.latest = this.state.threads.get(tid))
  }

  dropThread(tid: number): void {
    this.state.threads.delete(tid)
    this.latest = undefined
  }

  private newThread(tid: number): Thread {
    const thread = newThread(tid, this.state.nowNs)
    if (this.inFirstGeneration) thread.history = []
    this.state.threads.set(tid, thread)
    return (this.latest = thread)
  }

  /** A thread the Go trace speaks of. */
  goThread(tid: number): Thread {
    const thread = this.thread(tid)
    if (!thread.seenByGo) {
      thread.seenByGo = true
      takeListed(this, thread)
      seenByGo(this, thread)
      if (thread.seenByPerf) this.state.commonThreads++
    }
    return thread
  }

  /** Closes the open piece of a goroutine's life at `atNs`, in the class its unchanged state gives. A wait for a P is told when it is over. */
  cut(goroutine: Goroutine, atNs: number): void {
    if (atNs <= goroutine.openNs || goroutine.state === GoState.Runnable) return
    this.emit(goroutine, atNs, this.classOf(goroutine))
  }

  /** The same for everybody. */
  cutAll(atNs: number): void {
    for (const goroutine of this.state.goroutines.values()) this.cut(goroutine, atNs)
  }

  tellUpTo(goroutine: Goroutine, atNs: number): void {
    if (goroutine.state !== GoState.Runnable) return this.cut(goroutine, atNs)
    let fromNs = goroutine.openNs
    if (isUnstopped(this.state, fromNs)) return this.tellSoFar(goroutine, fromNs, atNs, ClassId.sched_wait)
    visitParts(this.state, fromNs, atNs, (toNs, stopped) => {
      this.tellSoFar(goroutine, fromNs, toNs, stopped ? ClassId.stw : ClassId.sched_wait)
      fromNs = Math.max(fromNs, toNs)
    })
  }

  private tellSoFar(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void {
    if (toNs <= fromNs) return
    for (const { self, tell } of this.ofWaitsSoFar) tell.call(self, goroutine, fromNs, toNs, classId)
  }

  emit(goroutine: Goroutine, toNs: number, classId: number): void {
    if (toNs <= goroutine.openNs) return
    for (const { self, tell } of this.ofSegments) tell.call(self, goroutine, goroutine.openNs, toNs, classId)
    goroutine.openNs = toNs
  }

  /** The table this product is about (src/timeline/classes.ts): Go state × kernel state → class. */
  classOf(goroutine: Goroutine): number {
    const kernel = goroutine.tid < 0 ? Kernel.Unknown : (this.knownThread(goroutine.tid)?.kernel ?? Kernel.Unknown)
    return this.classWith(goroutine, kernel)
  }

  classWith(goroutine: Goroutine, kernel: number): number {
    switch (goroutine.state) {
      case GoState.Running:
        return runningClass(goroutine.assisting, this.state.stop !== undefined, kernel)
      case GoState.Syscall:
        return goroutine.inC ? classInC(kernel) : classInSyscall(kernel)
      case GoState.Runnable:
        return this.state.stop !== undefined ? ClassId.stw : ClassId.sched_wait
      case GoState.Waiting:
        return goroutine.waitClass
      default:
        return ClassId.unknown
    }
  }

  /** Only while perf is seen to record this thread, and returns of epoll_pwait, does it tell anything that there is one, or none. */
  seesPolls(thread: Thread): boolean {
    return thread.seenByPerf && !Number.isNaN(this.state.lastPollNs)
  }

  /** Timers need a P. */
  isDeadline({ tid, p }: GoEvent): boolean {
    const thread = this.knownThread(tid)
    return thread !== undefined && p >= 0 && this.seesPolls(thread) && Number.isNaN(thread.pollNs)
  }

  /** Moves a thread to a kernel state. The goroutine it carries is cut first. */
  setKernel(thread: Thread, kernel: number, atNs: number): void {
    if (thread.kernel === kernel) return
    const goroutine = thread.goid < 0 ? undefined : this.state.goroutines.get(thread.goid)
    if (goroutine !== undefined) this.cut(goroutine, atNs)
    this.account(thread, atNs)
    thread.kernel = kernel
    thread.kernelChangedNs = atNs
    thread.offStack = ''
    thread.history?.push({ atNs, kernel })
  }

  /**
   * The thread turns out to have been on a CPU again without perf saying since when: the piece that was taken for off CPU is
   * unknown.
   */
  missedSwitchIn(thread: Thread): void {
    if (!thread.isOther) this.state.missedSwitchIns++
    this.doubt(thread, thread.kernelChangedNs)
  }

  /** What was taken for the thread's kernel state since `fromNs` is not known after all, nor is it from here on. */
  doubt(thread: Thread, fromNs: number): void {
    const sinceNs = Math.max(fromNs, thread.kernelChangedNs)
    const goroutine = thread.goid < 0 ? undefined : this.state.goroutines.get(thread.goid)
    if (goroutine !== undefined) this.cut(goroutine, sinceNs)
    if (sinceNs > thread.kernelSinceNs) this.account(thread, sinceNs)
    thread.kernel = Kernel.Unknown
    thread.kernelChangedNs = sinceNs
    thread.offStack = ''
    if (thread.history?.at(-1)?.atNs === sinceNs) thread.history.pop()
    thread.history?.push({ atNs: sinceNs, kernel: Kernel.Unknown })
  }

  /** Adds the time since the last change to the thread's totals. */
  account(thread: Thread, atNs: number): void {
    const fromNs = thread.kernelSinceNs
    const ns = atNs - fromNs
    thread.kernelSinceNs = atNs
    if (ns > 0 && !thread.isOther)
      for (const { self, tell } of this.ofThreadTime) tell.call(self, thread, fromNs, atNs, thread.kernel, this)
    const totals = thread.totals
    switch (thread.kernel) {
      case Kernel.OnCpu:
        totals.onNs += ns
        break
      case Kernel.Preempted:
      case Kernel.Stopped:
        totals.preemptedNs += ns
        break
      case Kernel.Asleep:
        totals.asleepNs += ns
        break
      case Kernel.Disk:
        totals.diskNs += ns
        break
      case Kernel.Off:
        totals.offNs += ns
        break
      default:
        totals.unknownNs += ns
    }
  }
}

function classInSyscall(kernel: number): number {
  if (kernel === Kernel.Unknown) return ClassId.unknown
  return kernel === Kernel.OnCpu ? ClassId.syscall_cpu : ClassId.syscall_blocked
}

/** To the trace a call of C is a system call. C code works like Go code; where it sleeps it is in a system call. */
function classInC(kernel: number): number {
  switch (kernel) {
    case Kernel.Unknown:
      return ClassId.unknown
    case Kernel.OnCpu:
      return ClassId.on_cpu
    case Kernel.Preempted:
    case Kernel.Stopped:
      return ClassId.cpu_stolen
    default:
      return ClassId.syscall_blocked
  }
}

/** Whether its thread should be on a CPU: it runs Go code, or C code. */
export function isWorking({ state, inC }: Goroutine): boolean {
  return state === GoState.Running || (state === GoState.Syscall && inC)
}

function runningClass(assisting: boolean, stopped: boolean, kernel: number): number {
  if (stopped && kernel === Kernel.Asleep) return ClassId.stw
  if (assisting) return ClassId.gc_assist
  switch (kernel) {
    case Kernel.OnCpu:
      return ClassId.on_cpu
    case Kernel.Preempted:
    case Kernel.Stopped:
      return ClassId.cpu_stolen
    case Kernel.Disk:
      return ClassId.fault_io
    case Kernel.Asleep:
      return ClassId.runtime_futex
    default:
      return ClassId.unknown
  }
}

function newThread(tid: number, nowNs: number): Thread {
  return {
    tid,
    pid: -1,
    isOther: false,
    comm: '',
    kernel: Kernel.Unknown,
    kernelChangedNs: nowNs,
    kernelSinceNs: nowNs,
    totals: noTotals(),
    goid: -1,
    p: -1,
    cpu: -1,
    lastSeenNs: NaN,
    told: 0,
    wakeNs: NaN,
    lastWakeNs: NaN,
    lastInNs: NaN,
    pollNs: pollUnknown,
    pollAnswered: false,
    previousPollNs: NaN,
    wroteNs: NaN,
    contradictedNs: NaN,
    lastGoid: -1,
    lastFunc: '',
    lastLeftNs: NaN,
    lastStack: '',
    offStack: '',
    nextComm: '',
    nextTid: -1,
    nextIsOwn: false,
    history: undefined,
    seenByGo: false,
    seenByPerf: false,
  }
}
