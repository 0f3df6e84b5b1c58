import type { GoEvent, GoTraceReader } from '../gotrace/index.js'
import type { PerfRecord, PerfScriptReader } from '../perf/index.js'

/**
 * All times are ns on the analysis' axis: CLOCK_MONOTONIC minus a whole-second base. They are integers, so sums and differences
 * are exact. NaN stands for "not known".
 *
 * Everything here is plain data: a checkpoint of a running analysis is a copy of it.
 */
export interface Goroutine {
  readonly goid: number
  /** GoState of the trace. */
  state: number
  /** Class of the current wait (ClassId); meaningful while Waiting. */
  waitClass: number
  /** Thread that carries it while Running or in a syscall, else -1. */
  tid: number
  /** Start of the piece of its life that has not been handed to the listeners yet. */
  openNs: number
  /** When it entered the current state. */
  stateSinceNs: number
  /** Inside a GC mark assist. */
  assisting: boolean
  /** What it called when it entered a system call, as the trace has it, is a C function. */
  inC: boolean
  /** Function it was started with; '' until known. */
  startFunc: string
  /** Function that started it, see `creatorOf`; '' = not told, as of one that is older than the trace. */
  createdBy: string
  /** Where it last blocked, stopped or entered a system call: functions, root first, joined by ';'. '' = not told. */
  waitStack: string
  /** Set between a network unblock and the run that follows. */
  ready: NetworkReady | undefined
}

export interface NetworkReady {
  readonly readyNs: number
  /** Return of the epoll_pwait that reported it; NaN without perf or without a match. */
  readonly pollNs: number
  /** Return of the previous epoll_pwait on any thread before `pollNs`; NaN when not seen. */
  readonly previousPollNs: number
  /** Thread that made it runnable; -1 when the trace does not name it (Go 1.21 and older). */
  readonly tid: number
  /** The polling thread held no P: sysmon, or a poller that found no idle P. */
  readonly pollerWithoutP: boolean
  /** Ps that were running a goroutine at that moment, of how many, and what most of them ran. */
  readonly busyPs: number
  readonly totalPs: number
  readonly busyFuncs: readonly string[]
}

/** `pollNs` of a thread of which perf may have recorded no return of epoll_pwait, or lost it. */
export const pollUnknown = -Infinity
/** Of `wakeNs` and `lastWakeNs`: it may have been woken, and nobody said when. */
export const wakeUnknown = -Infinity

/** Time of one thread by kernel state, ns. */
export interface KernelTotals {
  onNs: number
  preemptedNs: number
  asleepNs: number
  diskNs: number
  /** Off the CPU, why was not recorded. */
  offNs: number
  unknownNs: number
}

export interface Thread {
  readonly tid: number
  /** Its process, as perf last printed it; -1 = not printed. */
  pid: number
  /** It is of another process than the service (src/timeline/service.ts): nothing of it is told. */
  isOther: boolean
  /** Its name as perf last printed it; '' = not yet. */
  comm: string
  /** Kernel.* */
  kernel: number
  /** When it entered that state. */
  kernelChangedNs: number
  /** Up to where `totals` count. */
  kernelSinceNs: number
  readonly totals: KernelTotals
  /** Goroutine on this thread, -1 = none. */
  goid: number
  /** P held by this thread, -1 = none. */
  p: number
  /** CPU of its last record, -1 = not printed, and when perf last showed it there; NaN = never. */
  cpu: number
  lastSeenNs: number
  /** Which records told the kernel state it is in: SwitchTold bits. */
  told: number
  /** First wake-up not yet followed by a switch-in; NaN = none yet, `wakeUnknown` = it may have been lost. */
  wakeNs: number
  /**
   * The current stay on a CPU: since when it had wanted to (its wake-up or, preempted between two goroutines, the preemption; NaN = it was preempted
   * with a goroutine, for which alone it wanted to; or `wakeUnknown`), and the switch-in, NaN when that is not known.
   */
  lastWakeNs: number
  lastInNs: number
  /**
   * Return of the last epoll_pwait that reported something, until the thread runs a goroutine, polls again or sleeps; NaN when there is none
   * since, -Infinity when it is not known whether there is.
   */
  pollNs: number
  /** A network unblock has followed it. */
  pollAnswered: boolean
  previousPollNs: number
  /** The first Go event of its current stay on a CPU, and the first while perf has it off the CPU; NaN = none. */
  wroteNs: number
  contradictedNs: number
  /** Goroutine that last left this thread, when and with which stack: who kept a stop-the-world waiting. */
  lastGoid: number
  lastFunc: string
  lastLeftNs: number
  lastStack: string
  /** While off CPU: the stack it left the CPU with, functions root first, joined by ';'. '' = not recorded, or nobody hears `threadTime`. */
  offStack: string
  /** While off CPU: what the kernel ran instead. */
  nextComm: string
  nextTid: number
  /** … which is a thread of the same process. */
  nextIsOwn: boolean
  /** Kernel changes since the start of the first generation; see Timeline on goroutines that are learnt of late. */
  history: { readonly atNs: number; readonly kernel: number }[] | undefined
  seenByGo: boolean
  seenByPerf: boolean
}

export interface StopTheWorld {
  readonly reason: string
  readonly isGc: boolean
  readonly tid: number
  readonly goid: number
  readonly beginNs: number
  endNs: number
  /** When the last P stopped; equals beginNs when none had to. */
  stoppedNs: number
  last: LastToStop | undefined
}

export interface LastToStop {
  readonly tid: number
  readonly goid: number
  /** Function the goroutine was started with; '' = not known. */
  readonly startFunc: string
  /** Where it stopped, or made the system call from which its P was taken: functions, root first, joined by ';'. '' = not told. */
  readonly stack: string
  /** What its thread did in the kernel between the request and its stop; undefined without perf. */
  readonly kernel: KernelTotals | undefined
  /** Kernel.* of its thread at the request. */
  readonly kernelAtBegin: number
  /** Stacks of perf's CPU samples of that thread until its stop, functions root first, joined by ';', most frequent first. */
  readonly sampleStacks: readonly { readonly stack: string; readonly count: number }[]
  /** Leaf functions of perf's CPU samples of that thread until its stop, most frequent first. */
  readonly samples: readonly { readonly func: string; readonly count: number }[]
}

/** One delay between epoll's return and the goroutine running. */
export interface NetpollDelay {
  readonly goroutine: Goroutine
  readonly ready: NetworkReady
  readonly runNs: number
  /** Thread the goroutine runs on. */
  readonly runTid: number
  /** How long of the wait to run that thread wanted a CPU and had none, as far as perf told, ns. */
  readonly kernelNs: number
}

/** One stretch of a thread of the service off CPU. */
export interface OffCpu {
  readonly thread: Thread
  /** undefined when the thread carried no goroutine that ran Go or C code. */
  readonly goroutine: Goroutine | undefined
  readonly fromNs: number
  readonly toNs: number
  readonly kernel: number
}

/** What a listener may look up while it is told of an event. */
export interface TimelineView {
  readonly goroutines: ReadonlyMap<number, Goroutine>
  readonly threads: ReadonlyMap<number, Thread>
  /** P → thread that holds it, -1 = idle. */
  readonly procs: ReadonlyMap<number, number>
  /** Tells the goroutine's life up to `atNs` now, so that a piece ends there; of a wait for a P, through `waitSoFar`. */
  tellUpTo(goroutine: Goroutine, atNs: number): void
  /** Brings the thread's totals up to `atNs`. */
  account(thread: Thread, atNs: number): void
  /** Class (ClassId) of the goroutine as it is now, on a thread in this kernel state. */
  classWith(goroutine: Goroutine, kernel: number): number
  /**
   * Whether a goroutine that waits for the network is made runnable by the scheduler because its deadline has expired: perf shows that the thread's poller had
   * nothing to report. false where perf does not tell.
   */
  isDeadline(event: GoEvent): boolean
}

/**
 * What the timeline tells the measures and detectors. Arguments are live objects: copy what is kept.
 */
export interface TimelineListener {
  /** Go event types (Ev) that it wants to hear of through `goEvent`. */
  readonly goTypes?: readonly number[]
  /** An event of `goTypes`, before it changes the timeline. */
  goEvent?(event: GoEvent, reader: GoTraceReader, atNs: number, view: TimelineView): void
  /** Whether it wants to hear of perf's samples of an event through `perfSample`; asked once per event. */
  wantsPerfEvent?(name: string): boolean
  /**
   * A sample of such an event, of a thread of the service, before it changes the timeline; that its thread is on a CPU is known already, except at
   * sched_switch and wake-ups. Only when perf is on the axis.
   */
  perfSample?(record: PerfRecord, reader: PerfScriptReader, atNs: number, view: TimelineView): void
  /** A piece of a goroutine's life in one class. The pieces of a life do not overlap and leave no gap. */
  segment?(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void
  /**
   * A wait for a P goes on, and somebody asked for the life up to `toNs` (`tellUpTo`): the wait from its begin, as `sched_wait` or `stw`. When it is over
   * `segment` tells it once more, and then which part was the kernel's.
   */
  waitSoFar?(goroutine: Goroutine, fromNs: number, toNs: number, classId: number): void
  /**
   * Runnable → Running. `kernelNs`: how long of it its thread wanted a CPU and had none. `unknownNs`: for so long, from its begin on, perf did not tell
   * whether it did.
   */
  started?(goroutine: Goroutine, runnableNs: number, startNs: number, kernelNs: number, unknownNs: number): void
  /** The trace ends at `atNs`, or a hole in it begins, while the goroutine lives; before its life is told up to there. */
  abandoned?(goroutine: Goroutine, atNs: number, view: TimelineView): void
  netpollDelay?(delay: NetpollDelay): void
  stopTheWorld?(stop: StopTheWorld): void
  /** A woken thread of the service was switched in. */
  switchedIn?(thread: Thread, wakeNs: number, inNs: number): void
  offCpu?(stretch: OffCpu): void
  /** A piece of the time of one of the service's threads in one kernel state (Kernel.*), as `totals` count it. */
  threadTime?(thread: Thread, fromNs: number, toNs: number, kernel: number, view: TimelineView): void
  /** perf says that the thread has ended; another one may get its id. */
  threadEnded?(tid: number): void
  /**
   * A network unblock in scheduler context; `residualNs` is NaN when no epoll return matches it: a deadline, or the clocks are wrong. `isExplained`: perf saw its
   * thread lose the CPU in between, so that the delay says nothing of the clocks.
   */
  clockPair?(atNs: number, residualNs: number, isExplained: boolean): void
  /** A return of epoll_pwait that reported something, and how long after it came the first network unblock on its thread; NaN = none did. */
  pollEnded?(atNs: number, answeredAfterNs: number, isExplained: boolean): void
  /**
   * A thread wrote Go events: during a stay on a CPU, told once for each, or (not `isAwake`) while perf, which tells of every switch, has it off the CPU until
   * later.
   */
  threadWrote?(atNs: number, isAwake: boolean): void
}
