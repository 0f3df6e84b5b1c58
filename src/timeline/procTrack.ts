import type { NetworkReady, TimelineView } from './model.js'
import type { TimelineCore } from './core.js'
import type { StopTheWorldTracker } from './stopTheWorld.js'

/** At most so many functions are named as what the busy Ps ran. */
const busyFuncsShown = 4

/** Wire values of ProcStatus. Source: tracev2 ProcStatus. */
const procRunning = 1
const procSyscall = 3

const nothing: readonly string[] = []

/** How many Ps run a goroutine, of how many. */
export function procLoad({ procs, threads }: Pick<TimelineView, 'procs' | 'threads'>): {
  busyPs: number
  totalPs: number
} {
  let busyPs = 0
  for (const tid of procs.values()) if (tid >= 0 && (threads.get(tid)?.goid ?? -1) >= 0) busyPs++
  return { busyPs, totalPs: procs.size }
}

/** Which thread holds which P. */
export class ProcTrack {
  constructor(
    private readonly core: TimelineCore,
    private readonly stops: StopTheWorldTracker,
  ) {}

  start(p: number, tid: number): void {
    this.core.state.procs.set(p, tid)
    this.core.goThread(tid).p = p
  }

  stop(p: number, tid: number, atNs: number): void {
    this.core.state.procs.set(p, -1)
    const thread = this.core.goThread(tid)
    thread.p = -1
    this.stops.procStopped(thread, atNs)
  }

  steal(p: number, tid: number, atNs: number): void {
    this.core.state.procs.set(p, -1)
    const thread = this.core.state.threads.get(tid)
    if (thread?.p !== p) return
    thread.p = -1
    this.stops.procStopped(thread, atNs)
  }

  status(p: number, tid: number, status: number): void {
    const held = (status === procRunning || status === procSyscall) && tid >= 0
    this.core.state.procs.set(p, held ? tid : -1)
    if (held) this.core.goThread(tid).p = p
  }

  /** How many Ps run a goroutine, of how many; when all do, also what they run. */
  load(): Pick<NetworkReady, 'busyPs' | 'totalPs' | 'busyFuncs'> {
    const { busyPs, totalPs } = procLoad(this.core)
    return { busyPs, totalPs, busyFuncs: busyPs === totalPs ? this.runningFuncs() : nothing }
  }

  /** What the Ps run right now, by start function. */
  private runningFuncs(): string[] {
    const { state } = this.core
    const funcs: string[] = []
    for (const tid of state.procs.values()) {
      const func = state.goroutines.get(state.threads.get(tid)?.goid ?? -1)?.startFunc ?? ''
      if (func !== '' && !funcs.includes(func) && funcs.push(func) === busyFuncsShown) break
    }
    return funcs
  }
}
