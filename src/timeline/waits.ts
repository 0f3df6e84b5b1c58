import { ClassId } from './classes.js'

/**
 * Class of a wait, by the reason the trace gives when a goroutine blocks (the text of GoBlock).
 * Source: traceBlockReason in Go's runtime. New Go versions add reasons; those are `unknown` until they are listed here.
 */
const classByReason: ReadonlyMap<string, number> = new Map([
  ['network', ClassId.net_wait],
  ['select', ClassId.sync_wait],
  ['sync.(*Cond).Wait', ClassId.sync_wait],
  ['sync', ClassId.sync_wait],
  ['chan send', ClassId.sync_wait],
  ['chan receive', ClassId.sync_wait],
  ['synctest', ClassId.sync_wait],
  // `select {}` and operations on a nil channel.
  ['forever', ClassId.sync_wait],
  // The synthesised block of a coroutine switch (iter.Pull) has no reason: it waits for its partner.
  ['', ClassId.sync_wait],
  ['sleep', ClassId.sleep],
  ['GC mark assist wait for work', ClassId.gc_assist],
  ['wait until GC ends', ClassId.gc_assist],
  ['GC weak to strong wait', ClassId.gc_assist],
  // Suspended so that the collector can scan its stack.
  ['preempted', ClassId.gc_assist],
  // The sweeper and the other goroutines of the runtime park here when there is nothing to do.
  ['GC background sweeper wait', ClassId.system_wait],
  ['system goroutine wait', ClassId.system_wait],
  ['wait for debug call', ClassId.system_wait],
])

export function waitClassOfReason(reason: string): number {
  return classByReason.get(reason) ?? ClassId.unknown
}

/**
 * Functions that tell why a goroutine waits when only its stack is known: goroutines that blocked before the trace began. The
 * first match from the leaf decides.
 */
const classByFunction: ReadonlyMap<string, number> = new Map([
  ['runtime.netpollblock', ClassId.net_wait],
  ['internal/poll.runtime_pollWait', ClassId.net_wait],
  ['time.Sleep', ClassId.sleep],
  ['runtime.chanrecv', ClassId.sync_wait],
  ['runtime.chanrecv1', ClassId.sync_wait],
  ['runtime.chanrecv2', ClassId.sync_wait],
  ['runtime.chansend', ClassId.sync_wait],
  ['runtime.chansend1', ClassId.sync_wait],
  ['runtime.selectgo', ClassId.sync_wait],
  ['runtime.block', ClassId.sync_wait],
  ['runtime.corostart', ClassId.sync_wait],
  ['runtime.coroswitch', ClassId.sync_wait],
  ['runtime.semacquire1', ClassId.sync_wait],
  ['sync.runtime_SemacquireMutex', ClassId.sync_wait],
  ['sync.runtime_SemacquireRWMutex', ClassId.sync_wait],
  ['sync.runtime_SemacquireRWMutexR', ClassId.sync_wait],
  ['sync.runtime_SemacquireWaitGroup', ClassId.sync_wait],
  ['sync.runtime_Semacquire', ClassId.sync_wait],
  ['internal/sync.runtime_SemacquireMutex', ClassId.sync_wait],
  ['sync.runtime_notifyListWait', ClassId.sync_wait],
  ['internal/synctest.Run', ClassId.sync_wait],
  ['internal/synctest.Wait', ClassId.sync_wait],
  ['runtime.gcAssistAlloc', ClassId.gc_assist],
  ['runtime.gcParkAssist', ClassId.gc_assist],
  ['runtime.gcWaitOnMark', ClassId.gc_assist],
  ['runtime.gcParkStrongFromWeak', ClassId.gc_assist],
  ['runtime.bgsweep', ClassId.system_wait],
  ['runtime.bgscavenge', ClassId.system_wait],
  ['runtime.gcBgMarkWorker', ClassId.system_wait],
  ['runtime.forcegchelper', ClassId.system_wait],
  ['runtime.runfinq', ClassId.system_wait],
  ['runtime.runFinalizers', ClassId.system_wait],
  ['runtime.runCleanups', ClassId.system_wait],
  ['runtime.updateMaxProcsGoroutine', ClassId.system_wait],
  ['runtime.ReadTrace', ClassId.system_wait],
  ['runtime.(*traceAdvancerState).start.func1', ClassId.system_wait],
  ['runtime/trace.Start.func1', ClassId.system_wait],
  ['runtime.ensureSigM.func1', ClassId.system_wait],
])

/** Class of a wait, by the functions of its stack, leaf first; `unknown` when none tells. */
export function waitClassOfStack(frames: readonly { readonly func: string }[]): number {
  for (const frame of frames) {
    const known = classByFunction.get(frame.func)
    if (known !== undefined) return known
  }
  return ClassId.unknown
}
