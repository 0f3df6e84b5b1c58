import type { ByteWindow } from '../bytes.js'
import { V1Merge } from './merge.js'
import { V1Record } from './record.js'
import type { V1Index } from './scanner.js'
import { fakeP, V1 } from './spec.js'
import type { V1Plan } from './survey.js'

/** The events of a trace in their final order: merged, with the ends of system calls moved to when they happened. */
export class V1Sequence {
  private readonly merge: V1Merge
  private readonly exit = new V1Record()
  private ahead: V1Record | undefined
  private ordinal = -1
  private exitAt = 0

  constructor(
    window: ByteWindow,
    index: V1Index,
    private readonly plan: V1Plan,
  ) {
    this.merge = new V1Merge(window, index)
  }

  /** Valid until the next call; undefined at the end. @throws Broken where the survey found that the trace contradicts itself */
  next(): V1Record | undefined {
    const { plan } = this
    this.ahead ??= this.nextMerged()
    const exit = plan.exits[this.exitAt]
    const { ahead } = this
    if (exit !== undefined) {
      const first =
        ahead === undefined || exit.ticks < ahead.ticks || (exit.ticks === ahead.ticks && exit.ordinal < this.ordinal)
      if (first) {
        this.exitAt++
        const { ticks, goid, place } = exit
        return Object.assign(this.exit, { type: V1.GoSysExit, ticks, goid, place, p: fakeP.syscall })
      }
    }
    this.ahead = undefined
    if (ahead === undefined && plan.failure !== undefined) throw plan.failure
    return ahead
  }

  private nextMerged(): V1Record | undefined {
    while (this.ordinal + 1 < this.plan.events) {
      const record = this.merge.next()
      this.ordinal++
      if (record === undefined || (record.type !== V1.GoSysExit && record.type !== V1.GoSysExitLocal)) return record
    }
    return undefined
  }
}
