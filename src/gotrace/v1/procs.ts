import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import { ProcState, ProcStatus } from '../states.js'
import type { V1Record } from './record.js'
import { V1 } from './spec.js'

/** Which Ps have been heard of, and which thread runs each. */
export class V1Procs {
  private readonly seen = new Set<number>()
  private readonly threads = new Map<number, number>()

  /** The thread of a P that runs. */
  thread(p: number): number | undefined {
    return this.threads.get(p)
  }

  start(p: number, thread: number): void {
    this.threads.set(p, thread)
  }

  /** Tells a start or stop; the first that is heard of a P is its status. */
  turn(record: V1Record, event: GoEvent): true {
    const { p } = record
    const starts = record.type === V1.ProcStart
    if (!starts) this.threads.delete(p)
    const [from, to] = starts ? [ProcState.Idle, ProcState.Running] : [ProcState.Running, ProcState.Idle]
    if (this.seen.has(p)) {
      event.type = starts ? Ev.ProcStart : Ev.ProcStop
      return setTransition(event, from, to, p, 0)
    }
    this.seen.add(p)
    event.type = Ev.ProcStatus
    return setTransition(event, ProcState.Undetermined, to, p, starts ? ProcStatus.Running : ProcStatus.Idle)
  }
}

/** Fills in a transition and its arguments. */
export function setTransition(event: GoEvent, from: number, to: number, arg0: number, arg1: number, arg2 = 0): true {
  event.from = from
  event.to = to
  event.args[0] = arg0
  event.args[1] = arg1
  event.args[2] = arg2
  return true
}
