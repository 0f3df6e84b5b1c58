import type { Thread } from './model.js'
import type { TimelineCore } from './core.js'

/**
 * Which of the processes that perf recorded is the service: perf goes on to record the processes that it starts, and `-a` records everybody's. Go tells
 * of its threads, and perf of which process they are.
 */
export interface Service {
  /** Its process, as perf has it; -1 = not known. */
  pid: number
  /** Go has spoken of one of its threads. Otherwise it is the only process that perf began with. */
  isGo: boolean
  /** The first process of perf's records; -1 = none yet. */
  firstPid: number
  /** perf records several processes: while it is not known which is the one Go speaks of, none is told. */
  isOneOfMany: boolean
  /** Threads that Go is going to speak of, as perf names them, while none of them was met. */
  readonly tids: Set<number>
  /** Records of threads of other processes. */
  otherRecords: number
}

/** A thread that perf lists as existing when it begins. */
export interface ListedThread {
  readonly pid: number
  readonly tid: number
}

export function newService(): Service {
  return { pid: -1, isGo: false, firstPid: -1, isOneOfMany: false, tids: new Set(), otherRecords: 0 }
}

/** Tells before the first record what is known beforehand: the threads that perf found, and those of the service, as perf names them. */
export function beginService(service: Service, listed: Iterable<ListedThread>, goTids: Iterable<number>): void {
  for (const tid of goTids) service.tids.add(tid)
  const threadsOfPid = new Map<number, { all: number; go: number }>()
  for (const { pid, tid } of listed) {
    const known = threadsOfPid.get(pid) ?? { all: 0, go: 0 }
    known.all++
    if (service.tids.has(tid)) known.go++
    threadsOfPid.set(pid, known)
  }
  // Threads of an old trace are inferred, so that one may be of another process.
  const [best] = [...threadsOfPid].sort((a, b) => b[1].go - a[1].go)
  if (best === undefined) return
  const [pid, { go }] = best
  if (go > 0) setService(service, pid)
  else if (threadsOfPid.size === 1) service.pid = pid
  else service.isOneOfMany = true
}

/** perf has a record of the thread in a process that it was not known to belong to. */
export function enterProcess(core: TimelineCore, thread: Thread, pid: number): void {
  const { service } = core.state
  thread.pid = pid
  if (!service.isGo && (thread.seenByGo || service.tids.has(thread.tid))) return foundService(core, pid)
  if (service.firstPid < 0) service.firstPid = pid
  else if (service.firstPid !== pid && !service.isOneOfMany) {
    service.isOneOfMany = true
    judgeAll(core)
  }
  thread.isOther = isOther(service, thread)
}

/** Go speaks of the thread for the first time. */
export function seenByGo(core: TimelineCore, { pid }: Thread): void {
  if (pid >= 0 && !core.state.service.isGo) foundService(core, pid)
}

function foundService(core: TimelineCore, pid: number): void {
  setService(core.state.service, pid)
  judgeAll(core)
}

function judgeAll(core: TimelineCore): void {
  const { service, threads } = core.state
  for (const thread of threads.values()) thread.isOther = isOther(service, thread)
}

function setService(service: Service, pid: number): void {
  service.pid = pid
  service.isGo = true
  service.tids.clear()
}

function isOther({ pid, isOneOfMany, tids }: Service, thread: Thread): boolean {
  if (thread.pid < 0) return false
  // Without a Go trace there is nobody to say which one it is: all are told.
  return pid < 0 ? isOneOfMany && tids.size > 0 : thread.pid !== pid
}
