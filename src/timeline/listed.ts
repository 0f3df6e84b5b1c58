import { PerfKind, type PerfRecord } from '../perf/index.js'
import { Kernel } from './classes.js'
import type { Thread } from './model.js'
import type { TimelineCore } from './core.js'

/**
 * perf begins with a list of the threads that exist. One that has no record after that has not been on a CPU: being switched out or in,
 * or being sampled while it runs, would have made one. So it has been off the CPU since perf began; why is not known.
 */
export interface Listed {
  /** Those without a record so far. */
  readonly tids: Set<number>
  /** perf's first record. */
  sinceNs: number
  /** Some thread has been sampled while it ran: perf does that here. */
  sampled: boolean
  /** Time enough has passed for whoever was on a CPU at the start to be sampled. */
  known: boolean
}

/** Several periods of the slowest sampling in use (50 a second). */
const certainAfterNs = 200e6

/** To be told of every record while there are listed threads without one. */
export function watchListed(core: TimelineCore, record: PerfRecord, atNs: number): void {
  const { listed, threads } = core.state
  if (Number.isNaN(listed.sinceNs)) listed.sinceNs = atNs
  listed.tids.delete(record.tid)
  if (listed.known) return
  // Tracepoints have a text; they show who makes system calls, not who is on a CPU.
  if (record.kind === PerfKind.Sample && record.traceEnd === record.traceStart) listed.sampled = true
  if (!listed.sampled || atNs < listed.sinceNs + certainAfterNs) return
  listed.known = true
  for (const tid of [...listed.tids]) {
    const thread = threads.get(tid)
    if (thread !== undefined) takeListed(core, thread)
  }
}

/** A listed thread that Go speaks of is off the CPU, as soon as that is certain. */
export function takeListed(core: TimelineCore, thread: Thread): void {
  const { listed } = core.state
  if (!listed.known || !listed.tids.delete(thread.tid)) return
  const goroutine = thread.goid < 0 ? undefined : core.state.goroutines.get(thread.goid)
  if (goroutine !== undefined) core.cut(goroutine, listed.sinceNs)
  thread.kernel = Kernel.Off
  thread.kernelChangedNs = listed.sinceNs
  if (core.inFirstGeneration) thread.history = [{ atNs: listed.sinceNs, kernel: Kernel.Off }]
  if (thread.seenByPerf) return
  thread.seenByPerf = true
  core.state.commonThreads++
}
