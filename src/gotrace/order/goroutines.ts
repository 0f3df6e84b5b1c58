import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import { GoState } from '../states.js'
import { signedId } from '../varint.js'
import type { Handlers } from './handlers.js'
import { broken, needProc, needRunning, noGoroutine, type Goroutine, type Order, type Thread } from './state.js'

// Taken out of their tables because this is hot: the engine folds constants of the same file, but not those it imports.
const { NotExist, Runnable, Running, Syscall, Undetermined, Waiting } = GoState

/** Every goroutine is listed once per generation. */
function goStatus(order: Order, thread: Thread, event: GoEvent): boolean {
  const goid = event.args[0]!
  const status = event.args[2]! | 0
  if (status < Runnable || status > Waiting) broken(`goroutine ${goid} has unknown status ${status}`)
  let goroutine = order.goroutine(goid)
  event.from = event.to = status
  if (goroutine === undefined) {
    if (!order.inFirstGen) broken(`goroutine ${goid} appears without having been created`)
    goroutine = order.addGoroutine(goid, status)
    event.from = Undetermined
  } else if (goroutine.status !== status) {
    broken(`goroutine ${goid} is said to have status ${status} and was known to have ${goroutine.status}`)
  }
  goroutine.seq = 0
  goroutine.seqGen = order.gen
  if (status === Running) thread.g = goroutine
  if (status === Syscall) bindToSyscallThread(order, thread, goroutine, event)
  return true
}

/** A goroutine in a syscall is told by whoever lists it, and belongs to the thread it names. */
function bindToSyscallThread(order: Order, thread: Thread, goroutine: Goroutine, event: GoEvent): void {
  const tid = signedId(event.args[1]!)
  if (tid === -1) broken(`goroutine ${goroutine.goid} is in a syscall on no thread`)
  if (tid === thread.tid) {
    if (!order.inFirstGen && thread.g !== goroutine)
      broken(`goroutine ${goroutine.goid} is in a syscall on thread ${tid}, which runs goroutine ${thread.g.goid}`)
    thread.g = goroutine
    return
  }
  const other = order.threads.get(tid)
  event.tid = tid
  if (other === undefined) {
    order.thread(tid).g = goroutine
  } else if (other.g === goroutine) {
    event.goid = goroutine.goid
  } else {
    broken(`goroutine ${goroutine.goid} is in a syscall on thread ${tid}, which runs goroutine ${other.g.goid}`)
  }
}

function create(order: Order, thread: Thread, event: GoEvent, status: number): boolean {
  needProc(thread, 'GoCreate')
  if (thread.g !== noGoroutine && thread.g.status !== Running)
    broken(`GoCreate by goroutine ${thread.g.goid}, which is not running`)
  const goid = event.args[0]!
  if (order.goroutine(goid) !== undefined) broken(`goroutine ${goid} is created and exists already`)
  order.addGoroutine(goid, status)
  event.to = status
  return true
}

function goCreate(order: Order, thread: Thread, event: GoEvent): boolean {
  return create(order, thread, event, Runnable)
}

function goCreateBlocked(order: Order, thread: Thread, event: GoEvent): boolean {
  return create(order, thread, event, Waiting)
}

export function goStart(order: Order, thread: Thread, event: GoEvent): boolean {
  const goroutine = order.goroutine(event.args[0]!)
  // Otherwise its creation, its status or its last stop, written by another thread, must come first.
  if (goroutine?.status !== Runnable || !order.follows(goroutine, event.args[1]! | 0)) return false
  needProc(thread, 'GoStart')
  if (thread.g !== noGoroutine) broken(`GoStart on thread ${thread.tid}, which still runs goroutine ${thread.g.goid}`)
  goroutine.status = Running
  goroutine.seq = event.args[1]! | 0
  thread.g = goroutine
  event.from = Runnable
  event.to = Running
  return true
}

function goStop(_order: Order, thread: Thread, event: GoEvent): boolean {
  needRunning(thread, 'GoStop')
  return leave(thread, event, Runnable)
}

export function goBlock(_order: Order, thread: Thread, event: GoEvent): boolean {
  needRunning(thread, 'GoBlock')
  return leave(thread, event, Waiting)
}

function leave(thread: Thread, event: GoEvent, to: number): boolean {
  thread.g.status = to
  thread.g = noGoroutine
  event.from = Running
  event.to = to
  return true
}

function goDestroy(order: Order, thread: Thread, event: GoEvent): boolean {
  needRunning(thread, 'GoDestroy')
  order.removeGoroutine(thread.g)
  thread.g = noGoroutine
  event.from = Running
  return true
}

/** Anything may unblock a goroutine, also a thread without P: no context to check. */
export function goUnblock(order: Order, _thread: Thread, event: GoEvent): boolean {
  const goroutine = order.goroutine(event.args[0]!)
  if (goroutine?.status !== Waiting || !order.follows(goroutine, event.args[1]! | 0)) return false
  goroutine.status = Runnable
  goroutine.seq = event.args[1]! | 0
  event.from = Waiting
  event.to = Runnable
  return true
}

/** A coroutine switch is three things at once: unblock the target, block or end the current goroutine, start the target. */
function goSwitch(order: Order, thread: Thread, event: GoEvent): boolean {
  needRunning(thread, 'GoSwitch')
  const self = thread.g
  const goid = event.args[0]!
  const seq = event.args[1]! | 0
  const target = order.goroutine(goid)
  if (target?.status !== Waiting || !order.follows(target, seq)) return false
  const p = thread.p.p
  if (event.type === Ev.GoSwitch) {
    self.status = Waiting
    order.extra(Ev.GoBlock, p, self.goid, 0, 0, Running, Waiting)
  } else {
    order.removeGoroutine(self)
    order.extra(Ev.GoDestroy, p, self.goid, 0, 0, Running, NotExist)
  }
  order.extra(Ev.GoStart, p, -1, goid, seq, Runnable, Running)
  target.status = Running
  target.seq = seq
  thread.g = target
  event.type = Ev.GoUnblock
  event.args[2] = 0
  event.from = Waiting
  event.to = Runnable
  return true
}

export const goroutineHandlers: Handlers = [
  [Ev.GoStatus, goStatus],
  [Ev.GoStatusStack, goStatus],
  [Ev.GoCreate, goCreate],
  [Ev.GoCreateBlocked, goCreateBlocked],
  [Ev.GoStart, goStart],
  [Ev.GoStop, goStop],
  [Ev.GoBlock, goBlock],
  [Ev.GoDestroy, goDestroy],
  [Ev.GoUnblock, goUnblock],
  [Ev.GoSwitch, goSwitch],
  [Ev.GoSwitchDestroy, goSwitch],
]
