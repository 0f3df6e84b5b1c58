import { GoState } from '../gotrace/index.js'
import { Kernel } from './classes.js'
import type { Goroutine, KernelTotals, LastToStop, Thread } from './model.js'
import { oldestWaitNs } from './runnable.js'
import type { TimelineCore } from './core.js'
import type { OpenStop } from './state.js'

/** How many leaf functions of CPU samples are named for the thread that was last to stop. */
const samplesShown = 3

/** Pauses the tracer itself causes: they are reported, never alerted on. */
export function isOwnPause(reason: string): boolean {
  return reason === 'start trace' || reason === 'stop trace'
}

/** Follows a stop-the-world from the request to the restart, and finds who was last to stop. */
export class StopTheWorldTracker {
  constructor(private readonly core: TimelineCore) {}

  begin(text: string, tid: number, goid: number, atNs: number): void {
    this.end(atNs)
    this.core.cutAll(atNs)
    const atBegin: OpenStop['atBegin'] = new Map()
    for (const thread of this.core.state.threads.values()) {
      this.core.account(thread, atNs)
      atBegin.set(thread.tid, { kernel: thread.kernel, totals: { ...thread.totals } })
    }
    const reason = text.replace(/^stop-the-world \((.*)\)$/, '$1')
    this.core.state.stop = {
      stop: {
        reason,
        isGc: reason.startsWith('GC '),
        tid,
        goid,
        beginNs: atNs,
        endNs: NaN,
        stoppedNs: atNs,
        last: undefined,
      },
      atBegin,
      samples: new Map(),
      lastTid: -1,
      lastGoid: -1,
      lastFunc: '',
      lastStack: '',
      lastKernel: undefined,
      lastKernelAtBegin: Kernel.Unknown,
      lastSamples: new Map(),
    }
  }

  /** A thread gave up its P, or it was taken: until now the world had not stopped. */
  procStopped(thread: Thread, atNs: number): void {
    const open = this.core.state.stop
    if (open === undefined || thread.tid === open.stop.tid) return
    open.stop.stoppedNs = atNs
    open.lastTid = thread.tid
    const leftInside = thread.lastLeftNs >= open.stop.beginNs
    const onIt = thread.goid >= 0 ? this.core.state.goroutines.get(thread.goid) : undefined
    open.lastGoid = onIt?.goid ?? (leftInside ? thread.lastGoid : -1)
    open.lastFunc = onIt?.startFunc ?? (leftInside ? thread.lastFunc : '')
    open.lastStack = onIt === undefined ? (leftInside ? thread.lastStack : '') : stackInSyscall(onIt)
    this.core.account(thread, atNs)
    const before = open.atBegin.get(thread.tid)
    open.lastKernel = thread.seenByPerf ? difference(thread.totals, before?.totals) : undefined
    open.lastKernelAtBegin = before?.kernel ?? Kernel.Unknown
    open.lastSamples = new Map(open.samples.get(thread.tid))
  }

  /** A CPU sample of perf during a stop. */
  sample(tid: number, stack: string): void {
    const open = this.core.state.stop
    if (open === undefined) return
    let counts = open.samples.get(tid)
    if (counts === undefined) open.samples.set(tid, (counts = new Map<string, number>()))
    counts.set(stack, (counts.get(stack) ?? 0) + 1)
  }

  end(atNs: number): void {
    const open = this.core.state.stop
    if (open === undefined) return
    open.stop.endNs = atNs
    open.stop.last = lastToStop(open)
    this.close(open, atNs)
    for (const { self, tell } of this.core.ofStops) tell.call(self, open.stop)
  }

  /** The trace ended inside a stop: how long it lasted is not known, so it is not reported. */
  abandon(): void {
    const { stop, lastGoNs } = this.core.state
    if (stop !== undefined) this.close(stop, lastGoNs)
  }

  private close({ stop }: OpenStop, atNs: number): void {
    const { core } = this
    const { state } = core
    // Everybody whose class a stop changes starts a new piece.
    core.cutAll(atNs)
    state.stop = undefined
    state.stops.push({ beginNs: stop.beginNs, endNs: atNs })
    const oldestNs = core.inFirstGeneration ? state.traceStartNs : oldestWaitNs(state)
    state.stops = state.stops.filter(({ endNs }) => endNs > oldestNs)
  }
}

/** A P is taken from a system call without its goroutine leaving the thread: that one is where it made the call. */
function stackInSyscall({ state, waitStack }: Goroutine): string {
  return state === GoState.Syscall ? waitStack : ''
}

function lastToStop(open: OpenStop): LastToStop | undefined {
  if (open.lastTid < 0) return undefined
  const stacks = open.lastSamples
  const leaves = new Map<string, number>()
  for (const [stack, count] of stacks) {
    const leaf = stack.slice(stack.lastIndexOf(';') + 1)
    leaves.set(leaf, (leaves.get(leaf) ?? 0) + count)
  }
  return {
    tid: open.lastTid,
    goid: open.lastGoid,
    startFunc: open.lastFunc,
    stack: open.lastStack,
    kernel: open.lastKernel,
    kernelAtBegin: open.lastKernelAtBegin,
    sampleStacks: mostFrequent(stacks).map(([stack, count]) => ({ stack, count })),
    samples: mostFrequent(leaves)
      .slice(0, samplesShown)
      .map(([func, count]) => ({ func, count })),
  }
}

function mostFrequent(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
}

function difference(now: KernelTotals, before: KernelTotals | undefined): KernelTotals {
  return {
    onNs: now.onNs - (before?.onNs ?? 0),
    preemptedNs: now.preemptedNs - (before?.preemptedNs ?? 0),
    asleepNs: now.asleepNs - (before?.asleepNs ?? 0),
    diskNs: now.diskNs - (before?.diskNs ?? 0),
    offNs: now.offNs - (before?.offNs ?? 0),
    unknownNs: now.unknownNs - (before?.unknownNs ?? 0),
  }
}
