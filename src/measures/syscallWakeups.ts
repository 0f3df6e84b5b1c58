import { Ev, GoState } from '../gotrace/index.js'
import { errnoName, isErrno, isPoll } from '../perf/index.js'
import { Kernel } from '../timeline/classes.js'
import { holdsTimes } from '../timeline/fractions.js'
import type { Goroutine, StopTheWorld, Thread, TimelineView } from '../timeline/model.js'
import { procLoad } from '../timeline/procTrack.js'
import type { Measure, Sink } from './measure.js'
import { isSyscallEvent, offNs, type OpenSyscall, Pairing, SyscallPairs } from './syscallPairs.js'
import type { Table } from './table.js'
import { type LateWake, verdictOf } from './wakeVerdicts.js'

export const syscallWakeupsTable: Table = {
  name: 'syscall_wakeups',
  doc: 'One return from the kernel whose goroutine did not run within the threshold, counted from the poller’s wake-up; or that nobody polled for as long while all Ps were busy. ts is the return',
  columns: [
    { name: 'kind', type: 'symbol', doc: 'call: the goroutine’s own system call; poll: epoll reported its socket' },
    { name: 'tid', type: 'long', doc: 'thread that returned' },
    {
      name: 'name',
      type: 'symbol',
      doc: 'system call; null when perf did not record it: ts is then Go’s note of the return',
    },
    { name: 'ret', type: 'long', doc: 'return value, an errno negative; null when not recorded' },
    { name: 'errno', type: 'symbol', doc: 'name of the error; null when there was none' },
    { name: 'goroutine', type: 'long', doc: 'who waited' },
    { name: 'function', type: 'text', doc: 'the function it was started with; null when not known' },
    { name: 'state', type: 'symbol', doc: 'Go state it spent most of the delay in: syscall, waiting or runnable' },
    { name: 'ran', type: 'boolean', doc: 'false: it had not run when the trace ended' },
    { name: 'delta_ns', type: 'long', doc: 'from the return until it ran, or until the trace ended, ns' },
    { name: 'unnoticed_ns', type: 'long', doc: 'of this, until Go took note: back in Go, or made runnable, ns' },
    {
      name: 'wait_for_p_ns',
      type: 'long',
      doc: 'of this, runnable and no P took it, ns; where the verdict is unknown maybe one had, and no CPU',
    },
    { name: 'wait_for_cpu_ns', type: 'long', doc: 'of this, its thread woken for it but not on a CPU, ns' },
    { name: 'stw_ns', type: 'long', doc: 'of this, held by a stop-the-world, ns' },
    { name: 'poller_wait_ns', type: 'long', doc: 'before: the polling thread was woken and not on a CPU, ns' },
    {
      name: 'unpolled_ns',
      type: 'long',
      doc: 'before: nobody polled; the data may have been there as long, ns; null for call',
    },
    { name: 'busy_ps', type: 'long', doc: 'Ps that ran a goroutine when it became runnable; null when it had not' },
    { name: 'total_ps', type: 'long', doc: 'of so many; null with it' },
    { name: 'verdict', type: 'symbol', doc: 'why, see WakeVerdict in src/measures/wakeVerdicts.ts' },
  ],
  keys: ['goroutine', 'kind'],
  ttlDays: 30,
  event: { ts: 'begin', length: 'delta_ns' },
  threshold: 'syscallWakeupNs',
}

/** The last return of a thread from the kernel. */
interface Return {
  name: string | null
  ret: number
  exitNs: number
  /** The thread's time off the CPU until then. */
  offNs: number
  pollerWaitNs: number
  unpolledNs: number
}

/** A goroutine that is runnable since the kernel returned to a thread; or could be, when Go had not noted the return where the trace ended. */
interface Pending extends Readonly<Return> {
  readonly kind: LateWake['kind']
  readonly tid: number
  /** When it became runnable, or the end of the trace. */
  readonly readyNs: number
  readonly unnoticedOffCpuNs: number
  /** NaN = it was not runnable yet. */
  readonly busyPs: number
  readonly totalPs: number
  /** perf has lost records since: whether its thread had a CPU is not known. */
  lost: boolean
}

interface State {
  readonly open: Map<number, OpenSyscall>
  /** By thread. */
  readonly returns: Map<number, Return>
  /** By goroutine. */
  readonly pending: Map<number, Pending>
  /** The latest stop-the-worlds: begin, end. */
  readonly stops: [beginNs: number, endNs: number][]
  /** Return of the last poll on any thread. */
  lastPollNs: number
  /** Goroutines that have been late for long enough already, with what is needed when they never run. */
  readonly late: Map<number, { readonly startFunc: string; readonly untilNs: number }>
}

/** More than can follow each other while one goroutine waits to run, in any case worth a verdict. */
const stopsKept = 64

export const syscallWakeups: Measure = {
  name: 'syscall_wakeups',
  tables: [syscallWakeupsTable],
  create(sink, thresholds, saved) {
    const state = (saved ?? newState()) as State
    const pairs = new SyscallPairs(state.open)
    const limitNs = thresholds.syscallWakeupNs
    const forget = () => {
      pairs.forget()
      state.returns.clear()
      state.lastPollNs = NaN
      for (const pending of state.pending.values()) pending.lost = true
    }
    return {
      state,
      wantsPerfEvent: isSyscallEvent,
      perfSample(record, reader, atNs, view) {
        const found = pairs.sample(record, reader, atNs, view)
        const thread = view.threads.get(record.tid)
        if (found === Pairing.Finished && thread !== undefined) noteReturn(state, pairs, thread)
      },
      threadEnded(tid) {
        state.open.delete(tid)
        state.returns.delete(tid)
      },
      lost: forget,
      gap(track) {
        if (track === 'perf') forget()
      },
      goTypes: [Ev.GoSyscallEnd, Ev.GoSyscallEndBlocked, Ev.GoUnblock],
      goEvent(event, _reader, atNs, view) {
        const polled = event.type === Ev.GoUnblock
        // A running goroutine wakes others for reasons of its own; the poller has none.
        if (polled && event.goid >= 0) return
        const goroutine = view.goroutines.get(polled ? event.args[0]! : event.goid)
        const thread = view.threads.get(event.tid)
        if (goroutine === undefined || thread === undefined) return
        // Most calls are of a goroutine that runs on at once.
        if (event.type === Ev.GoSyscallEnd && !isLateReturn(state.returns.get(event.tid), atNs, limitNs)) return
        const last = polled
          ? pollOf(state, goroutine, thread)
          : callOf(state, goroutine, thread, atNs, event.type === Ev.GoSyscallEndBlocked)
        if (last === undefined) return
        const pending = newPending(last, polled ? 'poll' : 'call', thread, atNs, view)
        if (event.type !== Ev.GoSyscallEnd) state.pending.set(goroutine.goid, pending)
        else if (atNs - pending.exitNs >= limitNs)
          tell(sink, goroutine.goid, goroutine.startFunc, lateWake(state, pending, atNs), pending, true)
      },
      segment({ goid, startFunc, state: goState }, _fromNs, toNs) {
        if (state.pending.size === 0 || goState !== GoState.Runnable) return
        const pending = state.pending.get(goid)
        if (pending !== undefined && isLate(pending, toNs, limitNs)) state.late.set(goid, { startFunc, untilNs: toNs })
      },
      started({ goid, startFunc }, runnableNs, startNs, kernelNs, unknownNs) {
        const pending = state.pending.get(goid)
        if (pending === undefined) return
        state.pending.delete(goid)
        state.late.delete(goid)
        // Another trace began in between.
        if (pending.readyNs !== runnableNs || !isLate(pending, startNs, limitNs)) return
        tell(sink, goid, startFunc, lateWake(state, pending, startNs, kernelNs, unknownNs), pending, true)
      },
      abandoned(goroutine, atNs, view) {
        const pending = unnoticed(state, goroutine, atNs, view)
        if (pending === undefined || !isLate(pending, atNs, limitNs)) return
        tell(sink, goroutine.goid, goroutine.startFunc, lateWake(state, pending, atNs), pending, false)
      },
      stopTheWorld({ beginNs, endNs }: StopTheWorld) {
        state.stops.push([beginNs, endNs])
        if (state.stops.length > stopsKept) state.stops.shift()
      },
      flush(beforeNs) {
        if (beforeNs !== Infinity) return
        for (const [goid, { startFunc, untilNs }] of [...state.late].sort((a, b) => a[0] - b[0])) {
          const pending = state.pending.get(goid)!
          tell(sink, goid, startFunc, lateWake(state, pending, untilNs), pending, false)
        }
        state.late.clear()
        state.pending.clear()
      },
    }
  },
}

function newState(): State {
  return { open: new Map(), returns: new Map(), pending: new Map(), stops: [], lastPollNs: NaN, late: new Map() }
}

function noteReturn(state: State, { finished }: SyscallPairs, thread: Thread): void {
  const { name, tid, enterNs, exitNs, ret } = finished
  const polled = isPoll(name)
  // It slept in the call and was woken: by what it waited for.
  const woken = polled && thread.lastInNs > enterNs && thread.lastWakeNs >= enterNs
  let last = state.returns.get(tid)
  if (last === undefined) state.returns.set(tid, (last = newReturn()))
  last.name = name
  last.ret = ret
  last.exitNs = exitNs
  last.offNs = offNs(thread)
  last.pollerWaitNs = woken ? thread.lastInNs - thread.lastWakeNs : 0
  last.unpolledNs = polled && enterNs > state.lastPollNs ? enterNs - state.lastPollNs : 0
  if (polled) state.lastPollNs = exitNs
}

function newReturn(): Return {
  return { name: null, ret: NaN, exitNs: NaN, offNs: NaN, pollerWaitNs: 0, unpolledNs: 0 }
}
holdsTimes(newReturn(), 'pollerWaitNs', 'unpolledNs')

/** The return of the kernel by which the goroutine becomes runnable. */
function pollOf({ returns }: State, goroutine: Goroutine, thread: Thread): Return | undefined {
  const last = returns.get(thread.tid)
  return goroutine.state === GoState.Waiting && last?.exitNs === thread.pollNs ? last : undefined
}

/**
 * The return of the kernel by which the goroutine is back from its call. C makes calls of its own and goes on after them, for as long as it wants: when it was
 * ready for Go is known by Go's note alone.
 */
function callOf(
  { returns }: State,
  goroutine: Goroutine,
  thread: Thread,
  atNs: number,
  blocked: boolean,
): Return | undefined {
  if (goroutine.state !== GoState.Syscall) return undefined
  const last = returns.get(thread.tid)
  if (!goroutine.inC && last !== undefined && last.exitNs >= goroutine.stateSinceNs) return last
  return blocked ? { ...newReturn(), exitNs: atNs, offNs: offNs(thread) } : undefined
}

/** Written out, as there is one for every goroutine that the network wakes. */
function newPending(
  last: Return,
  kind: LateWake['kind'],
  thread: Thread,
  readyNs: number,
  view: TimelineView,
): Pending {
  const polled = kind === 'poll'
  const { busyPs, totalPs } = procLoad(view)
  return {
    name: last.name,
    ret: last.ret,
    exitNs: last.exitNs,
    offNs: last.offNs,
    pollerWaitNs: polled ? last.pollerWaitNs : 0,
    unpolledNs: polled ? last.unpolledNs : 0,
    kind,
    tid: thread.tid,
    readyNs,
    unnoticedOffCpuNs: offNs(thread) - last.offNs,
    busyPs,
    totalPs,
    lost: false,
  }
}

/**
 * The return that Go has not noted where the trace ends at `atNs`, when the thread wants a CPU and has none. One that is asleep, or was off for a reason
 * that was not recorded, may be in another call that perf does not know; and C goes on without a note of Go's.
 */
function unnoticed(state: State, goroutine: Goroutine, atNs: number, view: TimelineView): Pending | undefined {
  const thread = view.threads.get(goroutine.tid)
  if (thread === undefined || goroutine.inC) return undefined
  if (thread.kernel !== Kernel.Preempted && thread.kernel !== Kernel.Stopped) return undefined
  if ((state.open.get(thread.tid)?.name ?? '') !== '') return undefined
  const last = callOf(state, goroutine, thread, atNs, false)
  if (last === undefined) return undefined
  return {
    ...newPending(last, 'call', thread, atNs, view),
    unnoticedOffCpuNs: offNs(thread) + atNs - thread.kernelSinceNs - last.offNs,
    busyPs: NaN,
    totalPs: NaN,
  }
}

function isLateReturn(last: Return | undefined, atNs: number, limitNs: number): boolean {
  return last !== undefined && atNs - last.exitNs >= limitNs
}

/** Late for certain; or its data may have been there for that long, because nobody polled while all Ps were busy. */
function isLate(pending: Pending, atNs: number, limitNs: number): boolean {
  const lateNs = atNs - pending.exitNs + pending.pollerWaitNs
  return lateNs >= limitNs || (pending.busyPs === pending.totalPs && pending.unpolledNs >= limitNs)
}

/** `untilNs`: when it ran, or when the trace ended. `waitForCpuNs` and `unknownNs`: of its wait for a P, as `started` tells them. */
function lateWake(state: State, pending: Pending, untilNs: number, waitForCpuNs = 0, unknownNs = 0): LateWake {
  const { kind, ret, exitNs, readyNs, unnoticedOffCpuNs, pollerWaitNs, unpolledNs, busyPs, totalPs, lost } = pending
  const runnableNs = Math.max(0, untilNs - readyNs)
  const stwNs = Math.min(overlapNs(state.stops, readyNs, untilNs), runnableNs - waitForCpuNs)
  return {
    kind,
    ret,
    unnoticedNs: readyNs - exitNs,
    unnoticedOffCpuNs,
    waitForPNs: runnableNs - waitForCpuNs - stwNs,
    waitForCpuNs,
    stwNs,
    pollerWaitNs,
    unpolledNs,
    allBusy: totalPs > 0 && busyPs === totalPs,
    isUnknown: lost || unknownNs > (untilNs - exitNs) / 2,
  }
}

function overlapNs(stops: State['stops'], fromNs: number, toNs: number): number {
  let ns = 0
  for (const [beginNs, endNs] of stops) ns += Math.max(0, Math.min(endNs, toNs) - Math.max(beginNs, fromNs))
  return ns
}

function tell(sink: Sink, goid: number, startFunc: string, wake: LateWake, pending: Pending, ran: boolean): void {
  const { kind, tid, name, ret, exitNs, busyPs, totalPs } = pending
  const { unnoticedNs, waitForPNs, waitForCpuNs, stwNs, pollerWaitNs, unpolledNs } = wake
  const deltaNs = unnoticedNs + waitForPNs + waitForCpuNs + stwNs
  const stateBefore = kind === 'call' ? 'syscall' : 'waiting'
  sink.row(syscallWakeupsTable, exitNs, {
    kind,
    tid,
    name,
    ret: knownOf(ret),
    errno: isErrno(ret) ? errnoName(ret) : null,
    goroutine: goid,
    function: startFunc === '' ? null : startFunc,
    state: unnoticedNs > deltaNs / 2 ? stateBefore : 'runnable',
    ran,
    delta_ns: deltaNs,
    unnoticed_ns: unnoticedNs,
    wait_for_p_ns: waitForPNs,
    wait_for_cpu_ns: waitForCpuNs,
    stw_ns: stwNs,
    poller_wait_ns: pollerWaitNs,
    unpolled_ns: kind === 'poll' ? unpolledNs : null,
    busy_ps: knownOf(busyPs),
    total_ps: knownOf(totalPs),
    verdict: verdictOf(wake),
  })
}

function knownOf(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
