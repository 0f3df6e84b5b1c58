import { clockErrorNs } from '../clock/map.js'
import { Ev, GoState, type GoEvent, type GoTraceReader } from '../gotrace/index.js'
import { creatorOf, endsInC, GoStackTexts, joinFrames } from '../stacks/text.js'
import { ClassId, Kernel } from './classes.js'
import { answerPoll, endPoll, noteWrite } from './coincidences.js'
import { type Goroutine, type NetworkReady, pollUnknown, type Thread } from './model.js'
import { ProcTrack } from './procTrack.js'
import { abandonWait, endWait, unknownOfWait } from './runnable.js'
import type { TimelineCore } from './core.js'
import type { StopTheWorldTracker } from './stopTheWorld.js'
import { waitClassOfReason, waitClassOfStack } from './waits.js'

/** Longer than a stop-the-world asks who was on a thread last. */
const idleThreadKeptNs = 60e9

/** Events that one thread may write on behalf of another. */
const toldByOthers: ReadonlySet<number> = new Set([Ev.GoStatus, Ev.GoStatusStack, Ev.ProcStatus, Ev.StackSample])

/** Applies the events of the Go trace to the timeline. */
export class GoTrack {
  private readonly procs: ProcTrack
  private readonly texts = new GoStackTexts()

  constructor(
    private readonly core: TimelineCore,
    private readonly stops: StopTheWorldTracker,
  ) {
    this.procs = new ProcTrack(core, stops)
  }

  apply(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    const { state } = this.core
    this.enterGeneration(event, reader, atNs)
    state.lastGoNs = atNs
    this.witness(event, atNs)
    const args = event.args
    switch (event.type) {
      case Ev.GoStart:
        return this.start(args[0]!, event.tid, atNs)
      case Ev.GoStop:
        return this.leave(event, reader, GoState.Runnable, 0, atNs)
      case Ev.GoBlock:
        return this.block(event, reader, atNs)
      case Ev.GoUnblock:
        return this.unblock(event, args[0]!, atNs)
      case Ev.GoCreate:
        return this.create(event, reader, GoState.Runnable, atNs)
      case Ev.GoCreateBlocked:
        return this.create(event, reader, GoState.Waiting, atNs)
      case Ev.GoCreateSyscall:
        return this.createInC(args[0]!, event.tid, atNs)
      case Ev.GoSyscallBegin:
        return this.enterSyscall(event, reader, atNs)
      case Ev.GoSyscallEnd:
        return this.move(event.goid, GoState.Running, event.tid, atNs)
      case Ev.GoSyscallEndBlocked:
        return this.leave(event, reader, GoState.Runnable, 0, atNs)
      case Ev.GoDestroy:
      case Ev.GoDestroySyscall:
        return this.destroy(event.goid, atNs)
      case Ev.GoStatus:
      case Ev.GoStatusStack:
        return this.status(event, reader, atNs)
      case Ev.GCMarkAssistBegin:
        return this.assist(event.goid, true, atNs)
      case Ev.GCMarkAssistActive:
        return this.assist(args[0]!, true, atNs)
      case Ev.GCMarkAssistEnd:
        return this.assist(event.goid, false, atNs)
      case Ev.STWBegin:
        return this.stops.begin(reader.string(args[0]!), event.tid, event.goid, atNs)
      case Ev.STWEnd:
        return this.stops.end(atNs)
      case Ev.ProcStart:
        return this.procs.start(args[0]!, event.tid)
      case Ev.ProcStop:
        return this.procs.stop(event.p, event.tid, atNs)
      case Ev.ProcSteal:
        return this.procs.steal(args[0]!, args[2]!, atNs)
      case Ev.ProcStatus:
        return this.procs.status(args[0]!, event.tid, args[1]!)
    }
  }

  /** Ends every life at the last event of the trace. */
  finish(): void {
    const { state } = this.core
    if (Number.isNaN(state.lastGoNs)) return
    this.stops.abandon()
    for (const goroutine of state.goroutines.values()) {
      for (const { self, tell } of this.core.ofAbandoned) tell.call(self, goroutine, state.lastGoNs, this.core)
      if (goroutine.state === GoState.Runnable) abandonWait(this.core, goroutine, state.lastGoNs)
      else this.core.cut(goroutine, state.lastGoNs)
    }
    state.goroutines.clear()
    state.procs.clear()
    for (const thread of state.threads.values()) {
      thread.goid = -1
      thread.p = -1
    }
  }

  /** Who writes an event is on a CPU. When perf has it elsewhere, perf did not tell of its return. */
  private witness(event: GoEvent, atNs: number): void {
    const thread = this.core.knownThread(event.tid)
    if (thread === undefined || thread.kernel === Kernel.Unknown) return
    const isOn = thread.kernel === Kernel.OnCpu
    if (isOn ? thread.wroteNs >= thread.kernelChangedNs : atNs - thread.kernelChangedNs < clockErrorNs) return
    if (toldByOthers.has(event.type)) return
    noteWrite(this.core, thread, atNs)
    if (!isOn) this.core.missedSwitchIn(thread)
  }

  announce(reader: GoTraceReader): void {
    if (this.startsAnew(reader)) this.finish()
  }

  /** Another trace, or a hole in this one: every goroutine is listed again. */
  private startsAnew(reader: GoTraceReader): boolean {
    return reader.pieceIndex !== this.core.state.pieceIndex
  }

  private enterGeneration(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    const { state } = this.core
    const startsAnew = this.startsAnew(reader)
    if (event.gen === state.lastGen && !startsAnew) return
    if (startsAnew) {
      this.finish()
      state.pieceIndex = reader.pieceIndex
      state.firstGen = event.gen
      state.traceStartNs = atNs
      for (const thread of state.threads.values()) thread.history = [{ atNs, kernel: thread.kernel }]
    } else {
      this.leaveIdleThreads(atNs)
    }
    state.lastGen = event.gen
  }

  /** The trace does not tell when a thread ends: one of which only Go has told is forgotten when it has done nothing for long. */
  private leaveIdleThreads(atNs: number): void {
    for (const thread of this.core.state.threads.values()) {
      thread.history = undefined
      const isIdle = thread.goid < 0 && thread.p < 0 && !(thread.lastLeftNs > atNs - idleThreadKeptNs)
      if (isIdle && !thread.seenByPerf && thread.kernel === Kernel.Unknown) this.core.dropThread(thread.tid)
    }
  }

  private create(event: GoEvent, reader: GoTraceReader, goState: number, atNs: number): void {
    const goid = event.args[0]!
    const goroutine = newGoroutine(goid, goState, -1, reader.stack(event.args[1]!)[0]?.func ?? '', atNs)
    goroutine.createdBy = creatorOf(reader.stack(event.stackId))
    goroutine.waitClass = ClassId.sync_wait
    this.core.state.goroutines.set(goid, goroutine)
  }

  /** Born in a system call are goroutines of threads that C made. */
  private createInC(goid: number, tid: number, atNs: number): void {
    const goroutine = newGoroutine(goid, GoState.Syscall, tid, '', atNs)
    goroutine.inC = true
    this.core.state.goroutines.set(goid, goroutine)
    this.core.goThread(tid).goid = goid
  }

  private start(goid: number, tid: number, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(goid)
    if (goroutine === undefined) return
    const thread = this.core.goThread(tid)
    const runnableNs = goroutine.stateSinceNs
    const unknownNs = unknownOfWait(thread, runnableNs, atNs)
    const kernelNs = endWait(this.core, goroutine, thread, unknownNs, atNs)
    goroutine.state = GoState.Running
    goroutine.tid = tid
    goroutine.stateSinceNs = atNs
    thread.goid = goid
    for (const { self, tell } of this.core.ofStarts) tell.call(self, goroutine, runnableNs, atNs, kernelNs, unknownNs)
    if (goroutine.ready !== undefined) {
      const delay = { goroutine, ready: goroutine.ready, runNs: atNs, runTid: tid, kernelNs }
      for (const { self, tell } of this.core.ofNetpollDelays) tell.call(self, delay)
      goroutine.ready = undefined
    }
    endPoll(this.core, thread)
  }

  /** The goroutine on the event's thread leaves it. */
  private leave(event: GoEvent, reader: GoTraceReader, goState: number, waitClass: number, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(event.goid)
    if (goroutine === undefined) return
    this.core.cut(goroutine, atNs)
    if (goroutine.startFunc === '' && event.stackId !== 0) {
      goroutine.startFunc = reader.stack(event.stackId).at(-1)?.func ?? ''
    }
    const thread = this.core.goThread(event.tid)
    thread.goid = -1
    thread.lastGoid = goroutine.goid
    thread.lastFunc = goroutine.startFunc
    thread.lastLeftNs = atNs
    thread.lastStack = this.core.state.stop === undefined ? '' : this.texts.of(event.stackId, reader)
    // Back from a blocking system call there is no stack: it was stopped where it made the call.
    if (event.type !== Ev.GoSyscallEndBlocked) goroutine.waitStack = this.texts.of(event.stackId, reader)
    goroutine.state = goState
    goroutine.waitClass = waitClass
    goroutine.tid = -1
    goroutine.stateSinceNs = atNs
  }

  private block(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    let waitClass = waitClassOfReason(reader.string(event.args[0]!))
    if (waitClass === ClassId.unknown) waitClass = waitClassOfStack(reader.stack(event.stackId))
    this.leave(event, reader, GoState.Waiting, waitClass, atNs)
  }

  private unblock(event: GoEvent, goid: number, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(goid)
    if (goroutine === undefined) return
    this.core.cut(goroutine, atNs)
    const wasNetwork = goroutine.waitClass === ClassId.net_wait
    goroutine.state = GoState.Runnable
    goroutine.stateSinceNs = atNs
    // From a running goroutine it is a deadline or a close, not the poller.
    if (wasNetwork && event.goid < 0) goroutine.ready = this.networkReady(event, atNs)
  }

  /**
   * Who makes a goroutine runnable that waits for the network, and is none itself, is the poller or a deadline that has expired: both run in the scheduler,
   * and the trace alone tells no difference. Returns undefined when perf shows that it is a deadline.
   */
  private networkReady(event: GoEvent, atNs: number): NetworkReady | undefined {
    const thread = event.tid < 0 ? undefined : this.core.goThread(event.tid)
    if (thread !== undefined) this.comparePoll(thread, atNs)
    if (this.core.isDeadline(event)) return undefined
    const { busyPs, totalPs, busyFuncs } = this.procs.load()
    return {
      readyNs: atNs,
      pollNs: thread === undefined || thread.pollNs === pollUnknown ? NaN : thread.pollNs,
      previousPollNs: thread?.previousPollNs ?? NaN,
      tid: event.tid,
      pollerWithoutP: event.p < 0,
      busyPs,
      totalPs,
      busyFuncs,
    }
  }

  private comparePoll(thread: Thread, atNs: number): void {
    if (!this.core.seesPolls(thread)) return
    const isMatched = thread.pollNs > pollUnknown
    const isExplained = isMatched && thread.kernelChangedNs > thread.pollNs
    const residualNs = isMatched ? atNs - thread.pollNs : NaN
    for (const { self, tell } of this.core.ofClockPairs) tell.call(self, atNs, residualNs, isExplained)
    if (isMatched) answerPoll(this.core, thread, atNs, isExplained)
  }

  private enterSyscall(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    this.move(event.goid, GoState.Syscall, event.tid, atNs)
    const goroutine = this.core.state.goroutines.get(event.goid)
    if (goroutine === undefined) return
    goroutine.waitStack = this.texts.of(event.stackId, reader)
    goroutine.inC = endsInC(goroutine.waitStack)
  }

  private move(goid: number, goState: number, tid: number, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(goid)
    if (goroutine === undefined) return
    this.core.cut(goroutine, atNs)
    goroutine.state = goState
    goroutine.tid = tid
    goroutine.stateSinceNs = atNs
  }

  private destroy(goid: number, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(goid)
    if (goroutine === undefined) return
    this.core.cut(goroutine, atNs)
    this.core.state.goroutines.delete(goid)
    const thread = this.core.state.threads.get(goroutine.tid)
    if (thread !== undefined) {
      thread.goid = -1
      thread.lastGoid = goid
      thread.lastFunc = goroutine.startFunc
      thread.lastLeftNs = atNs
      thread.lastStack = ''
    }
  }

  /**
   * A goroutine is listed once per generation, when it first does something. In the first generation that is how we learn of
   * it, and it has been in this state since the trace began: its piece up to now is told from the thread's history.
   */
  private status(event: GoEvent, reader: GoTraceReader, atNs: number): void {
    const { state } = this.core
    const goid = event.args[0]!
    if (state.goroutines.has(goid)) return
    const goState = event.to
    const onThread = goState === GoState.Running || goState === GoState.Syscall
    const tid = !onThread ? -1 : goState === GoState.Syscall ? event.args[1]! : event.tid
    const frames = event.type === Ev.GoStatusStack ? reader.stack(event.args[3]!) : []
    const goroutine = newGoroutine(goid, goState, tid, frames.at(-1)?.func ?? '', state.traceStartNs)
    if (goState === GoState.Waiting) {
      goroutine.waitClass = waitClassOfStack(frames)
      goroutine.waitStack = joinFrames(frames)
    }
    goroutine.inC = endsInC(joinFrames(frames))
    state.goroutines.set(goid, goroutine)
    if (!onThread) return
    const thread = this.core.goThread(tid)
    this.tellPast(goroutine, thread, atNs)
    thread.goid = goid
  }

  private tellPast(goroutine: Goroutine, thread: Thread, atNs: number): void {
    let kernel: number = Kernel.Unknown
    for (const change of thread.history ?? []) {
      this.core.emit(goroutine, change.atNs, this.core.classWith(goroutine, kernel))
      kernel = change.kernel
    }
    this.core.emit(goroutine, atNs, this.core.classWith(goroutine, kernel))
  }

  private assist(goid: number, assisting: boolean, atNs: number): void {
    const goroutine = this.core.state.goroutines.get(goid)
    if (goroutine === undefined) return
    this.core.cut(goroutine, atNs)
    goroutine.assisting = assisting
  }
}

function newGoroutine(goid: number, state: number, tid: number, startFunc: string, bornNs: number): Goroutine {
  return {
    goid,
    state,
    waitClass: ClassId.unknown,
    tid,
    openNs: bornNs,
    stateSinceNs: bornNs,
    assisting: false,
    inC: false,
    startFunc,
    createdBy: '',
    waitStack: '',
    ready: undefined,
  }
}
