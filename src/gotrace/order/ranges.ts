import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import type { Handlers } from './handlers.js'
import { asInteger, broken, GcState, needProc, needUser, type Order, type Thread } from './state.js'

function gcActive(order: Order, thread: Thread, event: GoEvent): boolean {
  const seq = asInteger(event.args[0]!)
  if (order.inFirstGen) {
    if (order.gcState !== GcState.Undetermined) broken('GCActive is not the first GC event of the first generation')
  } else {
    if (seq !== order.gcSeq + 1) return false
    if (order.gcState !== GcState.Running) broken('GCActive while no GC runs')
    needUser(thread, 'GCActive')
  }
  order.gcSeq = seq
  order.gcState = GcState.Running
  return true
}

/** The number connects begin and end, which may happen on different threads. */
function gcBegin(order: Order, thread: Thread, event: GoEvent): boolean {
  const seq = asInteger(event.args[0]!)
  if (order.gcState !== GcState.Undetermined) {
    if (seq !== order.gcSeq + 1) return false
    if (order.gcState === GcState.Running) broken('GCBegin while a GC runs')
    needUser(thread, 'GCBegin')
  }
  order.gcSeq = seq
  order.gcState = GcState.Running
  return true
}

function gcEnd(order: Order, thread: Thread, event: GoEvent): boolean {
  const seq = asInteger(event.args[0]!)
  if (seq !== order.gcSeq + 1) return false
  if (order.gcState !== GcState.Running) broken('GCEnd while no GC runs')
  needUser(thread, 'GCEnd')
  order.gcSeq = seq
  order.gcState = GcState.NotRunning
  return true
}

function sweepBegin(_order: Order, thread: Thread): boolean {
  needProc(thread, 'GCSweepBegin')
  if (thread.p.sweeping) broken(`GCSweepBegin on P ${thread.p.p}, which sweeps already`)
  thread.p.sweeping = true
  return true
}

function sweepActive(order: Order, _thread: Thread, event: GoEvent): boolean {
  const proc = order.procs.get(event.args[0]!)
  if (proc === undefined) broken(`GCSweepActive of unknown P ${event.args[0]!}`)
  if (proc.sweeping === order.inFirstGen) broken(`GCSweepActive of P ${proc.p} contradicts what was known`)
  proc.sweeping = true
  return true
}

function sweepEnd(_order: Order, thread: Thread): boolean {
  needProc(thread, 'GCSweepEnd')
  if (!thread.p.sweeping) broken(`GCSweepEnd on P ${thread.p.p}, which does not sweep`)
  thread.p.sweeping = false
  return true
}

function assistBegin(_order: Order, thread: Thread): boolean {
  needUser(thread, 'GCMarkAssistBegin')
  if (thread.g.assisting) broken(`GCMarkAssistBegin of goroutine ${thread.g.goid}, which assists already`)
  thread.g.assisting = true
  return true
}

/** May be about a goroutine that is not running: no context to check. */
function assistActive(order: Order, _thread: Thread, event: GoEvent): boolean {
  const goroutine = order.goroutine(event.args[0]!)
  if (goroutine === undefined) broken(`GCMarkAssistActive of unknown goroutine ${event.args[0]!}`)
  if (goroutine.assisting === order.inFirstGen)
    broken(`GCMarkAssistActive of goroutine ${goroutine.goid} contradicts what was known`)
  goroutine.assisting = true
  return true
}

function assistEnd(_order: Order, thread: Thread): boolean {
  needUser(thread, 'GCMarkAssistEnd')
  if (!thread.g.assisting) broken(`GCMarkAssistEnd of goroutine ${thread.g.goid}, which does not assist`)
  thread.g.assisting = false
  return true
}

function stwBegin(order: Order, thread: Thread, event: GoEvent): boolean {
  needUser(thread, 'STWBegin')
  const kindId = event.args[0]!
  const kind = order.tables.string(kindId)
  const pauses = (thread.g.pauses ??= [])
  if (pauses.some((pause) => pause.kind === kind))
    broken(`STWBegin of goroutine ${thread.g.goid}, which does it already`)
  pauses.push({ gen: order.gen, kindId, kind })
  event.name = kind
  return true
}

function stwEnd(_order: Order, thread: Thread, event: GoEvent): boolean {
  needUser(thread, 'STWEnd')
  const pause = thread.g.pauses?.shift()
  if (pause === undefined) broken(`STWEnd of goroutine ${thread.g.goid}, which has not stopped the world`)
  event.args[0] = pause.kindId
  event.name = pause.kind
  return true
}

export const rangeHandlers: Handlers = [
  [Ev.GCActive, gcActive],
  [Ev.GCBegin, gcBegin],
  [Ev.GCEnd, gcEnd],
  [Ev.GCSweepBegin, sweepBegin],
  [Ev.GCSweepActive, sweepActive],
  [Ev.GCSweepEnd, sweepEnd],
  [Ev.GCMarkAssistBegin, assistBegin],
  [Ev.GCMarkAssistActive, assistActive],
  [Ev.GCMarkAssistEnd, assistEnd],
  [Ev.STWBegin, stwBegin],
  [Ev.STWEnd, stwEnd],
]
