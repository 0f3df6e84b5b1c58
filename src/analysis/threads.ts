import { Ev, type GoEvent } from '../gotrace/index.js'

/** Larger than any id the kernel gives to a thread (PID_MAX_LIMIT): for threads of Go that none of perf's could be found for. */
const unknownThreads = 1 << 22

/** Position of the argument that names a thread, by event type. */
const threadArg = new Map<number, number>([
  [Ev.GoStatus, 1],
  [Ev.GoStatusStack, 1],
  [Ev.ProcSteal, 2],
])

/** Perf's name of a thread of the Go trace; one that perf has nothing of when it is not known which it is. */
export function perfTid(threads: ReadonlyMap<number, number>, tid: number): number {
  return tid < 0 || tid > unknownThreads ? tid : (threads.get(tid) ?? unknownThreads + tid)
}

/** Lets `use` see the event with perf's names of the threads. The reader goes on from its own. */
export function renameThreads(
  event: GoEvent,
  threads: ReadonlyMap<number, number>,
  use: (event: GoEvent) => void,
): void {
  const { tid } = event
  const position = threadArg.get(event.type)
  const arg = position === undefined ? 0 : event.args[position]!
  event.tid = perfTid(threads, tid)
  if (position !== undefined) event.args[position] = perfTid(threads, arg)
  use(event)
  event.tid = tid
  if (position !== undefined) event.args[position] = arg
}
