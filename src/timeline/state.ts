import { Kernel } from './classes.js'
import { type Goroutine, type KernelTotals, pollUnknown, type StopTheWorld, type Thread } from './model.js'
import { holdsTimes } from './fractions.js'
import type { Listed } from './listed.js'
import type { EndedStop } from './runnable.js'
import { newService, type Service } from './service.js'

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

/** A thread of which nothing is known yet. */
export function newThread(tid: number, nowNs: number): Thread {
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
