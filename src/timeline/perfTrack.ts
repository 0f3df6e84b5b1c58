import { PerfKind, type PerfRecord, type PerfScriptReader } from '../perf/index.js'
import { Kernel, kernelStateOf } from './classes.js'
import type { Thread } from './model.js'
import type { TimelineCore } from './state.js'
import { GoState } from '../gotrace/index.js'
import { joinPerfFrames } from '../stacks/perfText.js'
import type { StopTheWorldTracker } from './stopTheWorld.js'

const schedSwitch = 'sched:sched_switch'

/** What a record's event means to the timeline; decided once per event name. */
const Role = { Other: 0, Switch: 1, Wake: 2, PollExit: 3, CpuSample: 4 } as const

function roleOf(name: string): number {
  switch (name) {
    case schedSwitch:
      return Role.Switch
    case 'sched:sched_waking':
    case 'sched:sched_wakeup':
    case 'sched:sched_wakeup_new':
      return Role.Wake
    case 'syscalls:sys_exit_epoll_pwait':
    case 'syscalls:sys_exit_epoll_wait':
      return Role.PollExit
    case 'cpu-clock':
    case 'task-clock':
    case 'cycles':
    case 'cpu-cycles':
      return Role.CpuSample
    default:
      return Role.Other
  }
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
    this.core.state.lastPerfNs = atNs
    switch (record.kind) {
      case PerfKind.Sample:
        return this.sample(record, reader, atNs)
      case PerfKind.SwitchIn:
        return this.switchIn(this.perfThread(record.tid), atNs)
      case PerfKind.SwitchOut:
        return this.switchOut(this.perfThread(record.tid), record.preempt, atNs)
      case PerfKind.Lost:
      case PerfKind.LostSamples:
        return this.forget(atNs)
      case PerfKind.Exit:
        return this.exit(record.tid, atNs)
    }
  }

  /** From here on perf says nothing: it ended, or it lost records. Nothing is known of any thread until its next record. */
  forget(atNs: number): void {
    for (const thread of this.core.state.threads.values()) {
      this.core.setKernel(thread, Kernel.Unknown, atNs)
      thread.wakeNs = NaN
      thread.lastWakeNs = NaN
      thread.lastInNs = NaN
      thread.pollNs = NaN
    }
  }

  private sample(record: PerfRecord, reader: PerfScriptReader, atNs: number): void {
    let role = this.roles[record.eventId]
    if (role === undefined) this.roles[record.eventId] = role = roleOf(reader.eventName(record.eventId))
    if (role === Role.Wake && !record.isSampled) return this.wake(record, atNs)
    const thread = this.perfThread(record.tid)
    if (record.isSampled) return this.refuse(role, reader, atNs)
    if (role === Role.Switch) return this.schedSwitch(record, reader, thread, atNs)
    // Whatever records a sample is running: also the first thing we may learn of a thread.
    if (thread.kernel !== Kernel.OnCpu && hearsSwitches(reader)) {
      if (thread.kernel !== Kernel.Unknown) this.core.missedSwitchIn(thread)
      this.core.setKernel(thread, Kernel.OnCpu, atNs)
    }
    if (role === Role.PollExit) {
      if (record.syscallReturn() > 0) {
        thread.pollNs = atNs
        thread.previousPollNs = this.core.state.lastPollNs
      }
      this.core.state.lastPollNs = atNs
    } else if (role === Role.CpuSample) {
      thread.comm = record.comm
      if (this.core.state.stop === undefined) return
      const leaf = reader.stack(record.stackId)[0]?.symbol ?? ''
      this.stops.sample(thread.tid, leaf === '' ? '[unknown]' : leaf)
    }
  }

  /** Only some events of this tracepoint were recorded: what lies between two of them is not known. */
  private refuse(role: number, reader: PerfScriptReader, atNs: number): void {
    const { state } = this.core
    if (role !== Role.Switch || state.switchesRefused || hearsSwitches(reader)) return
    state.switchesRefused = true
    this.forget(atNs)
  }

  private schedSwitch(record: PerfRecord, reader: PerfScriptReader, thread: Thread, atNs: number): void {
    const change = record.schedSwitch()
    if (change === undefined) return
    const next = this.core.state.threads.get(change.nextTid)
    if (change.prevTid === thread.tid) {
      if (thread.kernel > Kernel.OnCpu) this.core.missedSwitchIn(thread)
      this.leaveCpu(thread, kernelStateOf(change.prevState), atNs)
      thread.comm = change.prevComm
      thread.offStack = joinPerfFrames(reader.stack(record.stackId))
      thread.nextTid = change.nextTid
      thread.nextComm = change.nextComm
    }
    // Only of a thread that perf records by itself will we also hear when it leaves the CPU again.
    if (next?.seenByPerf === true) this.switchIn(next, atNs)
  }

  private switchOut(thread: Thread, preempt: boolean, atNs: number): void {
    // sched_switch, a few µs before, knows more; this record adds whether it was a preemption.
    if (thread.kernel > Kernel.OnCpu) {
      if (preempt && thread.kernel === Kernel.Off) this.core.setKernel(thread, Kernel.Preempted, atNs)
      return
    }
    this.leaveCpu(thread, preempt ? Kernel.Preempted : Kernel.Off, atNs)
    thread.nextTid = -1
    thread.nextComm = ''
  }

  private leaveCpu(thread: Thread, kernel: number, atNs: number): void {
    this.core.setKernel(thread, kernel, atNs)
    thread.wakeNs = NaN
    thread.lastWakeNs = NaN
    thread.lastInNs = NaN
    // Whoever sleeps is no longer on the way from epoll's return to making goroutines runnable.
    if (kernel === Kernel.Asleep) thread.pollNs = NaN
  }

  private switchIn(thread: Thread, atNs: number): void {
    if (thread.kernel === Kernel.OnCpu) return
    const off = thread.kernel
    if (off !== Kernel.Unknown) {
      const carried = thread.goid < 0 ? undefined : this.core.state.goroutines.get(thread.goid)
      const goroutine = carried?.state === GoState.Running ? carried : undefined
      const stretch = { thread, goroutine, fromNs: thread.kernelChangedNs, toNs: atNs, kernel: off }
      for (const listener of this.core.listeners) listener.offCpu?.(stretch)
    }
    this.core.setKernel(thread, Kernel.OnCpu, atNs)
    thread.lastInNs = atNs
    thread.lastWakeNs = thread.wakeNs
    if (!Number.isNaN(thread.wakeNs)) {
      for (const listener of this.core.listeners) listener.switchedIn?.(thread, thread.wakeNs, atNs)
    }
    thread.wakeNs = NaN
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
    if (thread.goid < 0) this.core.state.threads.delete(tid)
  }

  private perfThread(tid: number): Thread {
    const thread = this.core.thread(tid)
    if (!thread.seenByPerf) {
      thread.seenByPerf = true
      if (thread.seenByGo) this.core.state.commonThreads++
    }
    return thread
  }
}

/** Whether perf tells when a thread leaves its CPU: if not, that a thread was seen on one says nothing of the time that follows. */
function hearsSwitches(reader: PerfScriptReader): boolean {
  const { events, hasSwitchEvents } = reader.header
  if (hasSwitchEvents) return true
  return !reader.isSampled(schedSwitch) && (events.length === 0 || events.some(({ name }) => name === schedSwitch))
}
