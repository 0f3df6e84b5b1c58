import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import type { Handlers } from './handlers.js'
import { broken, needProc, needThread, needUser, type Order, type Thread } from './state.js'

/** Events that only need Go code to be executing. Regions are among them: their nesting is the program's business, not the format's. */
function annotation(_order: Order, thread: Thread): boolean {
  needUser(thread, 'an event')
  return true
}

function heapMetric(_order: Order, thread: Thread): boolean {
  needProc(thread, 'a heap metric')
  return true
}

function allocFree(_order: Order, thread: Thread): boolean {
  needThread(thread, 'an event of the AllocFree experiment')
  return true
}

function taskBegin(order: Order, thread: Thread, event: GoEvent): boolean {
  needUser(thread, 'UserTaskBegin')
  const id = event.args[0]!
  if (order.tasks.has(id)) broken(`task ${id} begins twice`)
  // Parent 0 is the background task, which for a task means none.
  const parent = event.args[1]! === 0 ? -1 : event.args[1]!
  const name = order.tables.string(event.args[2]!)
  order.tasks.set(id, { name, parent })
  event.name = name
  event.parentTask = parent
  return true
}

/** A task may end without a begin in the trace, and more than once. Its name may be from an earlier generation. */
function taskEnd(order: Order, thread: Thread, event: GoEvent): boolean {
  needUser(thread, 'UserTaskEnd')
  const id = event.args[0]!
  const task = order.tasks.get(id)
  order.tasks.delete(id)
  event.name = task?.name ?? ''
  event.parentTask = task?.parent ?? -1
  return true
}

export const annotationHandlers: Handlers = [
  [Ev.ProcsChange, annotation],
  [Ev.GoLabel, annotation],
  [Ev.UserRegionBegin, annotation],
  [Ev.UserRegionEnd, annotation],
  [Ev.UserLog, annotation],
  [Ev.UserTaskBegin, taskBegin],
  [Ev.UserTaskEnd, taskEnd],
  [Ev.HeapAlloc, heapMetric],
  [Ev.HeapGoal, heapMetric],
  [Ev.Span, allocFree],
  [Ev.SpanAlloc, allocFree],
  [Ev.SpanFree, allocFree],
  [Ev.HeapObject, allocFree],
  [Ev.HeapObjectAlloc, allocFree],
  [Ev.HeapObjectFree, allocFree],
  [Ev.GoroutineStack, allocFree],
  [Ev.GoroutineStackAlloc, allocFree],
  [Ev.GoroutineStackFree, allocFree],
]
