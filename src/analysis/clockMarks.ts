import { Marks, MarkKind } from '../clock/fit/marks.js'
import { Ev, type GoEvent, GoState, GoTraceReader } from '../gotrace/index.js'
import { isPoll, PerfKind, PerfScriptReader, type SyscallEvent } from '../perf/index.js'
import { waitClassOfReason } from '../timeline/waits.js'
import { ClassId } from '../timeline/classes.js'
import { perfTid } from './threads.js'

/** Reads a Go trace for the moments that perf must have seen as well. */
export class GoMarks {
  readonly reader = new GoTraceReader()
  readonly marks = new Marks()
  /** Wall time of CLOCK_MONOTONIC's zero, from the first snapshot of the trace. */
  wallOriginNs: bigint | undefined
  private readonly inNetwork = new Set<number>()
  /** When each thread last began to run a goroutine, since its last network unblock. */
  private readonly startedNs = new Map<number, number>()

  /** @param threads perf's name of each thread, where it has another one than Go */
  constructor(private readonly threads?: ReadonlyMap<number, number>) {}

  push(bytes: Uint8Array): void {
    this.reader.push(bytes)
    this.read()
  }

  end(): void {
    this.reader.end()
    this.read()
  }

  private read(): void {
    const { reader } = this
    while (reader.next()) this.see(reader.event)
  }

  private see(event: GoEvent): void {
    const { type, timeNs } = event
    const tid = this.threads === undefined ? event.tid : perfTid(this.threads, event.tid)
    switch (type) {
      case Ev.Sync:
        if (event.clock !== undefined) this.wallOriginNs ??= event.clock.wallNs - event.clock.monotonicNs
        return
      case Ev.GoBlock:
        if (waitClassOfReason(this.reader.string(event.args[0]!)) === ClassId.net_wait) this.inNetwork.add(event.goid)
        return
      case Ev.GoUnblock:
        // From a running goroutine it is a deadline or a close. From the scheduler it is the poller or, again, a deadline.
        if (this.inNetwork.delete(event.args[0]!) && event.goid < 0 && tid >= 0) this.unblock(tid, timeNs)
        return
      case Ev.GoStart:
        this.startedNs.set(tid, timeNs)
        return
      case Ev.GoSyscallBegin:
        if (event.from === GoState.Running) this.marks.add(MarkKind.Enter, tid, timeNs)
        return
      case Ev.GoSyscallEnd:
        // An old trace says only of calls that blocked when they ended.
        if (this.reader.threadsAreTids) this.marks.add(MarkKind.Exit, tid, timeNs)
        return
      case Ev.ProcStop:
        this.marks.add(MarkKind.Park, tid, timeNs)
        return
      case Ev.ProcStart:
        this.marks.add(MarkKind.Unpark, tid, timeNs)
        return
    }
  }

  private unblock(tid: number, timeNs: number): void {
    const startedNs = this.startedNs.get(tid)
    if (startedNs !== undefined) this.marks.add(MarkKind.Start, tid, startedNs)
    this.startedNs.delete(tid)
    this.marks.add(MarkKind.Poll, tid, timeNs)
  }
}

/** System calls that the runtime makes for itself, besides polling: the Go trace does not tell of them. */
const runtimeCalls: ReadonlySet<string> = new Set([
  'futex',
  'nanosleep',
  'clock_nanosleep',
  'sched_yield',
  'madvise',
  'mmap',
  'munmap',
  'tgkill',
  'rt_sigreturn',
])

/** Reads perf's text for the same moments. */
export class PerfMarks {
  readonly reader = new PerfScriptReader()
  readonly marks = new Marks()
  /** Process of each thread. */
  readonly pids = new Map<number, number>()
  /** perf says that it lost records. */
  hasLost = false
  private hasSwitches = false
  /** Threads whose last epoll_pwait returned something. */
  private readonly reported = new Set<number>()

  push(bytes: Uint8Array): void {
    this.reader.push(bytes)
    this.read()
  }

  end(): void {
    this.reader.end()
    this.read()
  }

  private read(): void {
    const { reader, marks } = this
    const { record } = reader
    while (reader.next()) {
      if (!record.hasTime) continue
      if (record.kind === PerfKind.Sample) this.sample()
      else if (record.kind === PerfKind.SwitchIn) marks.add(MarkKind.Unpark, record.tid, record.timeNs)
      else if (record.kind === PerfKind.SwitchOut && !record.preempt && !this.hasSwitches)
        marks.add(MarkKind.Park, record.tid, record.timeNs)
      else {
        if (record.kind === PerfKind.Lost || record.kind === PerfKind.LostSamples) this.hasLost = true
        continue
      }
      if (!this.pids.has(record.tid)) this.pids.set(record.tid, record.pid)
    }
  }

  private sample(): void {
    const { record, syscallEvent } = this.reader
    if (syscallEvent !== undefined) return this.syscall(syscallEvent)
    const change = record.schedSwitch()
    if (change?.prevTid !== record.tid || !change.prevState.startsWith('S')) return
    this.hasSwitches = true
    this.marks.add(MarkKind.Park, record.tid, record.timeNs)
  }

  private syscall(event: SyscallEvent): void {
    const { reader, marks } = this
    const { record } = reader
    const name = reader.syscallName(event)
    if (isPoll(name)) {
      if (event.half === 'exit') this.endPoll(record.syscallReturn() > 0)
    } else if (!runtimeCalls.has(name)) {
      marks.add(event.half === 'enter' ? MarkKind.Enter : MarkKind.Exit, record.tid, record.timeNs)
    }
  }

  private endPoll(hasReported: boolean): void {
    const { tid, timeNs } = this.reader.record
    if (hasReported) {
      this.reported.add(tid)
      this.marks.add(MarkKind.Poll, tid, timeNs)
    } else if (this.reported.delete(tid)) this.marks.add(MarkKind.EmptyPoll, tid, timeNs)
  }
}
