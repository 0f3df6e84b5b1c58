import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import { ProcState, procStateOf, ProcStatus } from '../states.js'
import { asInteger, broken, needThread, noProc, type Order, Proc, type Thread } from './state.js'
import { signedId } from '../varint.js'
import type { Handlers } from './handlers.js'

/** Every P is listed once per generation. */
function procStatus(order: Order, thread: Thread, event: GoEvent): boolean {
  const id = event.args[0]!
  const status = event.args[1]! | 0
  const state = procStateOf[status]
  if (state === undefined || status === 0) broken(`P ${id} has unknown status ${status}`)
  let proc = order.procs.get(id)
  let from: number = state
  let to: number = state
  if (proc === undefined) {
    proc = new Proc(asInteger(id))
    proc.status = status | 0
    order.procs.set(id, proc)
    from = order.inFirstGen ? ProcState.Undetermined : ProcState.NotExist
  } else if (status === ProcStatus.Abandoned && proc.status === ProcStatus.Syscall) {
    // Announces a steal by someone else. We still know which thread holds this P, so nothing is lost: told as that thread's event.
    from = to = ProcState.Running
    tellAsHolder(order, proc, event)
  } else if (proc.status !== status) {
    broken(`P ${id} is said to have status ${status} and was known to have ${proc.status}`)
  }
  proc.seq = 0
  proc.seqGen = order.gen
  if (status === ProcStatus.Running || status === ProcStatus.Syscall) thread.p = proc
  event.from = from
  event.to = to
  return true
}

function tellAsHolder(order: Order, proc: Proc, event: GoEvent): void {
  let found = false
  for (const thread of order.threads.values()) {
    if (thread.p !== proc) continue
    event.tid = thread.tid
    event.p = proc.p
    event.goid = thread.g.goid
    found = true
  }
  if (!found) broken(`no thread holds P ${proc.p}, which is about to be stolen`)
}

function procStart(order: Order, thread: Thread, event: GoEvent): boolean {
  const proc = order.procs.get(event.args[0]!)
  // Otherwise this P's status, or its stop elsewhere, or the theft of our old P while we were in a syscall, must come first.
  if (proc?.status !== ProcStatus.Idle || !order.follows(proc, event.args[1]! | 0) || thread.p !== noProc) return false
  needThread(thread, 'ProcStart')
  proc.status = ProcStatus.Running
  proc.seq = event.args[1]! | 0
  thread.p = proc
  event.from = ProcState.Idle
  event.to = ProcState.Running
  return true
}

function procStop(_order: Order, thread: Thread, event: GoEvent): boolean {
  const { p: proc } = thread
  if (proc === noProc) broken(`ProcStop on thread ${thread.tid}, which has no P`)
  if (proc.status !== ProcStatus.Running && proc.status !== ProcStatus.Syscall)
    broken(`ProcStop of P ${proc.p}, which is not running`)
  needThread(thread, 'ProcStop')
  proc.status = ProcStatus.Idle
  thread.p = noProc
  event.from = ProcState.Running
  event.to = ProcState.Idle
  return true
}

function procSteal(order: Order, thread: Thread, event: GoEvent): boolean {
  const id = event.args[0]!
  const proc = order.procs.get(id)
  const status = proc?.status
  if (proc === undefined || (status !== ProcStatus.Syscall && status !== ProcStatus.Abandoned)) return false
  if (!order.follows(proc, event.args[1]! | 0)) return false
  needThread(thread, 'ProcSteal')
  proc.status = ProcStatus.Idle
  proc.seq = event.args[1]! | 0
  event.to = ProcState.Idle
  // Of an abandoned P we do not know the thread any more; it may have moved on and must not be touched.
  event.from = status === ProcStatus.Abandoned ? ProcState.Idle : ProcState.Running
  if (status === ProcStatus.Abandoned) return true
  const tid = signedId(event.args[2]!)
  const victim = tid === thread.tid ? thread : order.threads.get(tid)
  if (victim?.p !== proc) broken(`P ${id} is stolen from thread ${tid}, which does not hold it`)
  victim.p = noProc
  return true
}

export const procHandlers: Handlers = [
  [Ev.ProcStatus, procStatus],
  [Ev.ProcStart, procStart],
  [Ev.ProcStop, procStop],
  [Ev.ProcSteal, procSteal],
]
