import { ClassId, Kernel } from './classes.js'
import { classIn } from './classTable.js'
import type { Goroutine, Thread, TimelineListener, TimelineView } from './model.js'
import { type GoEvent, GoState } from '../gotrace/index.js'
import { type Hearer, hearersOf } from './hearers.js'
import { takeListed } from './listed.js'
import { isUnstopped, visitParts } from './runnable.js'
import { seenByGo } from './service.js'
import { newThread, type TimelineState } from './state.js'

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

  /** Class of the piece of its life that is open, with its thread as it is. */
  classOf(goroutine: Goroutine): number {
    const kernel = goroutine.tid < 0 ? Kernel.Unknown : (this.knownThread(goroutine.tid)?.kernel ?? Kernel.Unknown)
    return this.classWith(goroutine, kernel)
  }

  classWith(goroutine: Goroutine, kernel: number): number {
    return classIn(goroutine, kernel, this.state.stop !== undefined)
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
