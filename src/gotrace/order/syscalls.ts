import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import { GoState, ProcState, ProcStatus } from '../states.js'
import type { Handlers } from './handlers.js'
import { broken, needRunning, needThread, needUser, noGoroutine, noProc, type Order, type Thread } from './state.js'

// Taken out of their tables because this is hot: the engine folds constants of the same file, but not those it imports.
const { NotExist, Runnable, Running, Syscall } = GoState
const { Running: procRunning, Syscall: procInSyscall } = ProcStatus

export function syscallBegin(order: Order, thread: Thread, event: GoEvent): boolean {
  needRunning(thread, 'GoSyscallBegin')
  const { g, p } = thread
  // The P's sequence number says from which of several syscalls a later ProcSteal takes the P; it can be checked at once.
  const seq = event.args[0]! | 0
  if (!order.follows(p, seq)) broken(`GoSyscallBegin with number ${seq} on P ${p.p}, which is at ${p.seq}`)
  g.status = Syscall
  p.status = procInSyscall
  p.seq = seq
  event.from = Running
  event.to = Syscall
  return true
}

export function syscallEnd(_order: Order, thread: Thread, event: GoEvent): boolean {
  needUser(thread, 'GoSyscallEnd')
  const { g, p } = thread
  if (g.status !== Syscall) broken(`GoSyscallEnd of goroutine ${g.goid}, which is in no syscall`)
  if (p.status !== procInSyscall) broken(`GoSyscallEnd on P ${p.p}, which is in no syscall`)
  g.status = Running
  p.status = procRunning
  event.from = Syscall
  event.to = Running
  return true
}

function syscallEndBlocked(_order: Order, thread: Thread, event: GoEvent): boolean {
  const { g, p } = thread
  // The event says that the P got lost meanwhile: whoever took it must come first. A new P, started since, is fine.
  if (p !== noProc && p.status === procInSyscall) return false
  needInSyscall(thread, 'GoSyscallEndBlocked')
  g.status = Runnable
  thread.g = noGoroutine
  event.from = Syscall
  event.to = Runnable
  return true
}

/** A thread of C code calls into Go: its goroutine is born in a syscall. */
function createSyscall(order: Order, thread: Thread, event: GoEvent): boolean {
  needThread(thread, 'GoCreateSyscall')
  if (thread.g !== noGoroutine) broken(`GoCreateSyscall on thread ${thread.tid}, which runs goroutine ${thread.g.goid}`)
  const goid = event.args[0]!
  if (order.goroutine(goid) !== undefined) broken(`goroutine ${goid} is created and exists already`)
  thread.g = order.addGoroutine(goid, Syscall)
  event.to = Syscall
  return true
}

/**
 * The goroutine of a thread of C code ends. Its P is given up as well: the system may reuse the thread's id, and a later steal
 * by the P's number must not be confused by that. The loss of the P is told as an event of its own, before this one.
 */
function destroySyscall(order: Order, thread: Thread, event: GoEvent): boolean {
  const { g, p } = thread
  needInSyscall(thread, 'GoDestroySyscall')
  if (p !== noProc && p.status !== procInSyscall) broken(`GoDestroySyscall on P ${p.p}, which is in no syscall`)
  order.removeGoroutine(g)
  thread.g = noGoroutine
  event.from = Syscall
  event.to = NotExist
  if (p === noProc) return true
  p.status = ProcStatus.Abandoned
  thread.p = noProc
  order.extra(event.type, p.p, g.goid, 0, 0, event.from, event.to)
  event.type = Ev.ProcSteal
  event.args.fill(0)
  event.args[0] = p.p
  event.from = ProcState.Running
  event.to = ProcState.Idle
  return true
}

function needInSyscall(thread: Thread, what: string): void {
  needThread(thread, what)
  const { g } = thread
  if (g.status !== Syscall) broken(`${what} on thread ${thread.tid}, whose goroutine is in no syscall`)
}

export const syscallHandlers: Handlers = [
  [Ev.GoSyscallBegin, syscallBegin],
  [Ev.GoSyscallEnd, syscallEnd],
  [Ev.GoSyscallEndBlocked, syscallEndBlocked],
  [Ev.GoCreateSyscall, createSyscall],
  [Ev.GoDestroySyscall, destroySyscall],
]
