import { Ev, type Frame, type GoEvent, GoState, type GoTraceReader } from '../gotrace/index.js'
import type { TimelineListener } from '../timeline/model.js'

/** The profiles of `go tool trace -pprof=TYPE`: time of goroutines in a state, by the stack of the event that brought them into it. */
export const blockingProfiles = ['net', 'sync', 'syscall', 'sched'] as const
export type BlockingProfileName = (typeof blockingProfiles)[number]

/** State of each, and which reasons of a wait belong to it (cmd/trace/pprof.go). */
const rules: Readonly<
  Record<BlockingProfileName, { readonly state: number; readonly takes: (reason: string) => boolean }>
> = {
  net: { state: GoState.Waiting, takes: (reason) => reason === 'network' },
  sync: { state: GoState.Waiting, takes: (reason) => /chan|sync|select/.test(reason) },
  syscall: { state: GoState.Syscall, takes: () => true },
  sched: { state: GoState.Runnable, takes: () => true },
}

/** Time by stack, leaf first as in the trace; the empty stack where an event has none. */
export interface ProfileRecord {
  frames: readonly Frame[]
  count: number
  ns: number
}

const transitions = [
  Ev.GoCreate,
  Ev.GoCreateBlocked,
  Ev.GoCreateSyscall,
  Ev.GoStart,
  Ev.GoStop,
  Ev.GoBlock,
  Ev.GoUnblock,
  Ev.GoDestroy,
  Ev.GoDestroySyscall,
  Ev.GoSyscallBegin,
  Ev.GoSyscallEnd,
  Ev.GoSyscallEndBlocked,
  Ev.GoStatus,
  Ev.GoStatusStack,
]
/** Events about the goroutine of their first argument; the others are about the one that runs. */
const aboutArgument: ReadonlySet<number> = new Set([
  Ev.GoCreate,
  Ev.GoCreateBlocked,
  Ev.GoCreateSyscall,
  Ev.GoStart,
  Ev.GoUnblock,
  Ev.GoStatus,
  Ev.GoStatusStack,
])

interface Stay {
  readonly record: ProfileRecord
  readonly fromNs: number
}

/**
 * One of those profiles. As there, what a goroutine did before it first ran in the trace does not count, unless it never runs; what has
 * not ended does not count; and times are the trace's in strictly increasing order.
 */
export class BlockingProfile implements TimelineListener {
  readonly goTypes = transitions
  private readonly records = new Map<string, ProfileRecord>()
  private readonly open = new Map<number, Stay>()
  private readonly hasRun = new Set<number>()
  /** Stays that ended before their goroutine first ran. */
  private readonly early = new Map<number, { readonly record: ProfileRecord; readonly ns: number }[]>()
  private readonly rule: (typeof rules)[BlockingProfileName]

  /** @param clip how much of a goroutine's time counts, ns; all of it by default */
  constructor(
    name: BlockingProfileName,
    private readonly clip: (goid: number, fromNs: number, toNs: number) => number = (_goid, fromNs, toNs) =>
      toNs - fromNs,
  ) {
    this.rule = rules[name]
  }

  goEvent(event: GoEvent, reader: GoTraceReader): void {
    const goid = aboutArgument.has(event.type) ? event.args[0]! : event.goid
    const { to } = event
    const stay = this.open.get(goid)
    if (stay === undefined) {
      const reason = event.type === Ev.GoBlock ? reader.string(event.args[0]!) : ''
      if (to === this.rule.state && this.rule.takes(reason)) {
        this.open.set(goid, { record: this.recordOf(reader.stack(event.stackId)), fromNs: event.orderedNs })
      }
    } else if (to !== this.rule.state) {
      this.open.delete(goid)
      this.count(goid, stay, event.orderedNs, to)
    }
    if (to === GoState.Running && !this.hasRun.has(goid)) {
      this.hasRun.add(goid)
      this.early.delete(goid)
    }
  }

  /** What there is when everything has been told; not in any order. */
  end(): ProfileRecord[] {
    for (const stays of this.early.values()) for (const { record, ns } of stays) add(record, ns)
    this.early.clear()
    return [...this.records.values()].filter(({ count }) => count > 0)
  }

  private count(goid: number, { record, fromNs }: Stay, toNs: number, to: number): void {
    const ns = this.clip(goid, fromNs, toNs)
    if (ns <= 0) return
    if (this.hasRun.has(goid)) return add(record, ns)
    if (to === GoState.Running) return
    const early = this.early.get(goid)
    if (early === undefined) this.early.set(goid, [{ record, ns }])
    else early.push({ record, ns })
  }

  /** As there, stacks are equal when their addresses are, without zeros at the end, and the last one seen is shown. */
  private recordOf(frames: readonly Frame[]): ProfileRecord {
    const key = frames
      .map(({ pc }) => pc.toString(36))
      .join()
      .replace(/(?:(?:^|,)0)+$/, '')
    let record = this.records.get(key)
    if (record === undefined) this.records.set(key, (record = { frames, count: 0, ns: 0 }))
    record.frames = frames
    return record
  }
}

function add(record: ProfileRecord, ns: number): void {
  record.count++
  record.ns += ns
}
