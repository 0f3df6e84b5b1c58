import { isPoll, PerfKind, type PerfRecord, type PerfScriptReader, syscallEventOf } from '../perf/index.js'
import { Kernel, kernelStateOf } from './classes.js'
import { beginPoll, endPoll, noteReturn } from './coincidences.js'
import { pollUnknown, type Thread, wakeUnknown } from './model.js'
import { watchListed } from './listed.js'
import { enterProcess } from './service.js'
import { isWorking } from './classTable.js'
import type { TimelineCore } from './core.js'
import { SwitchTold } from './state.js'
import { joinPerfFrames } from '../stacks/perfText.js'
import type { StopTheWorldTracker } from './stopTheWorld.js'

const schedSwitch = 'sched:sched_switch'

/** What a record's event means to the timeline; decided once per event name. */
const Role = { Other: 0, Switch: 1, Wake: 2, SyscallExit: 3, CpuSample: 4, SwitchStack: 5 } as const

function roleOf(name: string): number {
  switch (name) {
    case schedSwitch:
      return Role.Switch
    case 'sched:sched_waking':
    case 'sched:sched_wakeup':
    case 'sched:sched_wakeup_new':
      return Role.Wake
    case 'cpu-clock':
    case 'task-clock':
    case 'cycles':
    case 'cpu-cycles':
      return Role.CpuSample
    case 'context-switches':
    case 'cs':
      return Role.SwitchStack
    default:
      return mayEndPoll(name) ? Role.SyscallExit : Role.Other
  }
}

function mayEndPoll(eventName: string): boolean {
  const event = syscallEventOf(eventName)
  return event?.half === 'exit' && (event.name === undefined || isPoll(event.name))
}

/** Applies perf's records to the timeline. Only called when both tracks are on one clock. */
export class PerfTrack {
  /** Role by event id of the reader, filled as events appear. */
  private readonly roles: number[] = []

  constructor(
    private readonly core: TimelineCore,
    private readonly stops: StopTheWorldTracker,
  ) {}

  apply(record: PerfRecord, reader: PerfScriptReader, atNs: number): void {
    const { state } = this.core
    if (state.listed.tids.size > 0) watchListed(this.core, record, atNs)
    this.applyKind(record, reader, atNs)
    state.lastPerfNs = atNs
    if (record.cpu >= 0 && !this.isApart(record)) state.lastOfCpuNs[record.cpu] = atNs
  }

  /** The record comes from a perf beside the one that records switches. */
  private isApart(record: PerfRecord): boolean {
    return !record.hasComm && this.core.state.switchesNamed
  }

  /** A sample's thread is on a CPU: also the first thing we may learn of a thread. Not so at a switch, behind it, or at a wake-up. */
  witness(record: PerfRecord, reader: PerfScriptReader, atNs: number): void {
    const role = this.roleOf(record, reader)
    if (role === Role.Wake || role === Role.Switch || role === Role.SwitchStack || record.tid < 0) return
    const thread = this.perfThread(record)
    // Who records no switches may know a thread whose switches are not recorded.
    if (thread.kernel === Kernel.Unknown && this.isApart(record)) return
    if (thread.kernel !== Kernel.OnCpu && hearsSwitches(reader)) {
      if (thread.kernel !== Kernel.Unknown) this.core.missedSwitchIn(thread)
      this.core.setKernel(thread, Kernel.OnCpu, atNs)
      thread.told = SwitchTold.ByRecord
    }
    this.see(thread, record, atNs)
  }

  /** Whether the record is about a thread of the service, as far as is known; one of a thread that has ended (-1) is about nobody. */
  isOfService({ tid }: PerfRecord): boolean {
    return tid >= 0 && this.core.knownThread(tid)?.isOther !== true
  }

  /** perf lost records. */
  lose(record: PerfRecord, atNs: number): void {
    if (this.isApart(record)) this.loseWakeUps()
    else this.loseSwitches(record.cpu, record.tid, atNs)
  }

  /** Records are missing before the one that comes next: which, and of which CPU, nobody knows. */
  miss(atNs: number): void {
    this.loseSwitches(-1, -1, atNs)
  }

  /**
   * The kernel says that it lost something when it can write again: what is missing lies between the CPU's last record and this one (checked:
   * of 10,520 such records each had the time of the record after it; Linux, kernel/events/ring_buffer.c). Who is known to be on another CPU is still there.
   */
  private loseSwitches(cpu: number, tid: number, atNs: number): void {
    const { state } = this.core
    const fromNs = (cpu < 0 ? state.lastPerfNs : state.lastOfCpuNs[cpu]) ?? -Infinity
    for (const thread of state.threads.values()) {
      const elsewhere = thread.kernel === Kernel.OnCpu && thread.cpu >= 0 && cpu >= 0 && thread.cpu !== cpu
      if (elsewhere && thread.tid !== tid) continue
      if (thread.kernel !== Kernel.Unknown) this.core.doubt(thread, Number.isNaN(fromNs) ? -Infinity : fromNs)
      this.forgetThread(thread, atNs)
    }
    state.listed.tids.clear()
  }

  /** No switch was lost, but wake-ups and returns of epoll_pwait may have been. */
  private loseWakeUps(): void {
    const { state } = this.core
    for (const thread of state.threads.values()) {
      if (Number.isNaN(thread.wakeNs)) thread.wakeNs = wakeUnknown
      thread.pollNs = pollUnknown
    }
    state.lastPollNs = NaN
  }

  private applyKind(record: PerfRecord, reader: PerfScriptReader, atNs: number): void {
    switch (record.kind) {
      case PerfKind.Sample:
        return this.sample(record, reader, atNs)
      case PerfKind.SwitchIn:
      case PerfKind.SwitchOut:
        return this.switchRecord(record, atNs)
      case PerfKind.Lost:
      case PerfKind.LostSamples:
        return this.lose(record, atNs)
      case PerfKind.Exit:
        return this.exit(record.tid, atNs)
    }
  }

  /** From here on perf says nothing: it ended. Nothing is known of any thread until its next record. */
  forget(atNs: number): void {
    for (const thread of this.core.state.threads.values()) this.forgetThread(thread, atNs)
    this.core.state.lastPollNs = NaN
  }

  private forgetThread(thread: Thread, atNs: number): void {
    this.core.setKernel(thread, Kernel.Unknown, atNs)
    thread.wakeNs = NaN
    thread.lastWakeNs = NaN
    thread.lastInNs = NaN
    thread.pollNs = pollUnknown
    thread.contradictedNs = NaN
  }

  private sample(record: PerfRecord, reader: PerfScriptReader, atNs: number): void {
    const role = this.roleOf(record, reader)
    if (role === Role.Wake && !record.isSampled) return this.wake(record, atNs)
    const thread = record.tid < 0 ? undefined : this.perfThread(record)
    if (thread?.isOther === true) this.core.state.service.otherRecords++
    if (record.isSampled) return this.refuse(role, reader, atNs)
    if (role === Role.Switch) return this.schedSwitch(record, reader, thread, atNs)
    if (thread === undefined) return
    if (role === Role.SwitchStack) return this.switchStack(record, reader, thread)
    this.witness(record, reader, atNs)
    if (role === Role.SyscallExit) {
      const event = reader.syscallEvent
      if (event !== undefined && isPoll(reader.syscallName(event))) this.endPoll(thread, record.syscallReturn(), atNs)
    } else if (role === Role.CpuSample) {
      thread.comm = record.comm
      if (this.core.state.stop === undefined || thread.isOther) return
      const stack = joinPerfFrames(reader.stack(record.stackId))
      this.stops.sample(thread.tid, stack === '' ? '[unknown]' : stack)
    }
  }

  private endPoll(thread: Thread, ready: number, atNs: number): void {
    const { state } = this.core
    if (thread.isOther) return
    beginPoll(this.core, thread, ready > 0, atNs)
    if (ready > 0) thread.previousPollNs = state.lastPollNs
    state.lastPollNs = atNs
  }

  /** Only some events of this tracepoint were recorded: what lies between two of them is not known. */
  private refuse(role: number, reader: PerfScriptReader, atNs: number): void {
    const { state } = this.core
    if (role !== Role.Switch || state.switchesRefused || hearsSwitches(reader)) return
    state.switchesRefused = true
    this.forget(atNs)
  }

  private roleOf(record: PerfRecord, reader: PerfScriptReader): number {
    return (this.roles[record.eventId] ??= roleOf(reader.eventName(record.eventId)))
  }

  private see(thread: Thread, record: PerfRecord, atNs: number): void {
    thread.cpu = record.cpu
    thread.lastSeenNs = atNs
  }

  private schedSwitch(record: PerfRecord, reader: PerfScriptReader, thread: Thread | undefined, atNs: number): void {
    const change = record.schedSwitch()
    if (change === undefined) return
    const next = this.core.state.threads.get(change.nextTid)
    if (isDead(change.prevState)) this.exit(change.prevTid, atNs)
    else if (change.prevTid === thread?.tid) {
      if (thread.kernel > Kernel.OnCpu) this.core.missedSwitchIn(thread)
      this.leaveCpu(thread, kernelStateOf(change.prevState), SwitchTold.BySchedSwitch, atNs)
      thread.comm = change.prevComm
      if (this.core.tellsThreadTime && !thread.isOther) thread.offStack = joinPerfFrames(reader.stack(record.stackId))
      thread.nextTid = change.nextTid
      thread.nextComm = change.nextComm
      thread.nextIsOwn = thread.pid >= 0 && next?.pid === thread.pid
    }
    // Only of a thread that perf records by itself will we also hear when it leaves the CPU again.
    if (next?.seenByPerf === true) this.switchIn(next, record, SwitchTold.BySchedSwitch, atNs)
  }

  /** Where a thread left the CPU, told behind a switch that had no stack. */
  private switchStack(record: PerfRecord, reader: PerfScriptReader, thread: Thread): void {
    const isWanted = this.core.tellsThreadTime && !thread.isOther && thread.kernel > Kernel.OnCpu
    if (isWanted && thread.offStack === '') thread.offStack = joinPerfFrames(reader.stack(record.stackId))
  }

  private switchRecord(record: PerfRecord, atNs: number): void {
    if (record.tid < 0) return
    const thread = this.perfThread(record)
    if (thread.isOther) this.core.state.service.otherRecords++
    if (record.kind === PerfKind.SwitchOut) return this.switchOut(thread, record.preempt, atNs)
    if (record.hasComm) this.core.state.switchesNamed = true
    this.switchIn(thread, record, SwitchTold.ByRecord, atNs)
  }

  private switchOut(thread: Thread, preempt: boolean, atNs: number): void {
    // sched_switch, a few µs before, knows more; this record adds whether it was a preemption.
    if (thread.kernel > Kernel.OnCpu) {
      if ((thread.told & SwitchTold.ByRecord) === 0) {
        thread.told |= SwitchTold.ByRecord
        if (preempt && thread.kernel === Kernel.Off) this.core.setKernel(thread, Kernel.Preempted, atNs)
        return
      }
      this.core.missedSwitchIn(thread)
    }
    this.leaveCpu(thread, preempt ? Kernel.Preempted : Kernel.Off, SwitchTold.ByRecord, atNs)
    thread.nextTid = -1
    thread.nextComm = ''
    thread.nextIsOwn = false
  }

  private leaveCpu(thread: Thread, kernel: number, told: number, atNs: number): void {
    this.core.setKernel(thread, kernel, atNs)
    thread.told = told
    thread.wakeNs = NaN
    thread.lastWakeNs = NaN
    thread.lastInNs = NaN
    // Whoever sleeps is no longer on the way from epoll's return to making goroutines runnable.
    if (kernel === Kernel.Asleep) endPoll(this.core, thread)
  }

  /** sched_switch names who comes next a few µs before that one's own record says the same. */
  private switchIn(thread: Thread, record: PerfRecord, told: number, atNs: number): void {
    if (thread.kernel === Kernel.OnCpu) {
      if (told === SwitchTold.ByRecord && thread.told === SwitchTold.BySchedSwitch) {
        thread.told |= told
        return this.see(thread, record, atNs)
      }
      // It must have left the CPU since it was last seen there.
      this.core.doubt(thread, thread.lastSeenNs)
    }
    noteReturn(this.core, thread, atNs)
    if (record.cpu >= 0) this.takeCpu(record.cpu, thread)
    const off = thread.kernel
    const wakeNs = thread.wakeNs === wakeUnknown ? NaN : thread.wakeNs
    const wantedNs = wantedSinceNs(thread)
    if (off !== Kernel.Unknown && !thread.isOther) {
      const carried = thread.goid < 0 ? undefined : this.core.state.goroutines.get(thread.goid)
      const goroutine = carried !== undefined && isWorking(carried) ? carried : undefined
      const stretch = { thread, goroutine, fromNs: thread.kernelChangedNs, toNs: atNs, kernel: off }
      for (const { self, tell } of this.core.ofOffCpu) tell.call(self, stretch)
    }
    this.core.setKernel(thread, Kernel.OnCpu, atNs)
    thread.told = told
    this.see(thread, record, atNs)
    thread.lastInNs = atNs
    thread.lastWakeNs = wantedNs
    if (!Number.isNaN(wakeNs) && !thread.isOther) {
      for (const { self, tell } of this.core.ofSwitchIns) tell.call(self, thread, wakeNs, atNs)
    }
    thread.wakeNs = NaN
  }

  /**
   * Who was switched in on this CPU before is not there any more. Where perf did not say so, it has ended: of that only EXIT records tell, which are not
   * printed without --show-task-events.
   */
  private takeCpu(cpu: number, thread: Thread): void {
    const { switchedInOfCpu, threads } = this.core.state
    const tid = switchedInOfCpu[cpu]
    switchedInOfCpu[cpu] = thread.tid
    if (tid === undefined || tid === thread.tid) return
    const before = threads.get(tid)
    if (before?.kernel === Kernel.OnCpu && before.cpu === cpu) this.core.doubt(before, before.lastSeenNs)
  }

  private wake(record: PerfRecord, atNs: number): void {
    const wakeup = record.schedWakeup()
    if (wakeup === undefined) return
    const thread = this.core.state.threads.get(wakeup.tid)
    if (thread === undefined || thread.kernel <= Kernel.OnCpu || !Number.isNaN(thread.wakeNs)) return
    thread.wakeNs = atNs
  }

  private exit(tid: number, atNs: number): void {
    const thread = this.core.state.threads.get(tid)
    if (thread === undefined) return
    this.core.setKernel(thread, Kernel.Unknown, atNs)
    if (thread.goid < 0) this.core.dropThread(tid)
    for (const { self, tell } of this.core.ofThreadEnds) tell.call(self, tid)
  }

  private perfThread({ tid, pid }: PerfRecord): Thread {
    const thread = this.core.thread(tid)
    if (pid !== thread.pid && pid >= 0) enterProcess(this.core, thread, pid)
    if (!thread.seenByPerf) {
      thread.seenByPerf = true
      if (thread.seenByGo) this.core.state.commonThreads++
    }
    return thread
  }
}

/** Since when a thread that is off the CPU has wanted one, for no goroutine yet. */
function wantedSinceNs({ kernel, kernelChangedNs, goid, wakeNs }: Thread): number {
  if (kernel === Kernel.Preempted) return goid < 0 ? kernelChangedNs : wakeNs
  return Number.isNaN(wakeNs) ? wakeUnknown : wakeNs
}

/** A thread has no id any more when it leaves its CPU for the last time: prev_state X, or Z until somebody has waited for it. */
function isDead(prevState: string): boolean {
  return prevState.startsWith('X') || prevState.startsWith('Z')
}

/** Whether perf tells when a thread leaves its CPU: if not, that a thread was seen on one says nothing of the time that follows. */
function hearsSwitches(reader: PerfScriptReader): boolean {
  const { events, hasSwitchEvents } = reader.header
  if (hasSwitchEvents) return true
  return !reader.isSampled(schedSwitch) && (events.length === 0 || events.some(({ name }) => name === schedSwitch))
}
