import { annotationHandlers } from './annotations.js'
import type { GoEvent } from '../event.js'
import { Ev } from '../spec.js'
import { goBlock, goroutineHandlers, goStart, goUnblock } from './goroutines.js'
import type { Handler } from './handlers.js'
import { procHandlers } from './procs.js'
import { rangeHandlers } from './ranges.js'
import { broken, type Order, type Thread } from './state.js'
import { syscallBegin, syscallEnd, syscallHandlers } from './syscalls.js'

const unexpected: Handler = (_order, _thread, event) => broken(`event ${event.type} has no place in a thread's batch`)

/** The handler of every event, by wire id. */
const handlers: readonly Handler[] = (() => {
  const byType = Array.from({ length: 256 }, () => unexpected)
  for (const group of [procHandlers, goroutineHandlers, syscallHandlers, rangeHandlers, annotationHandlers])
    for (const [type, handler] of group) byType[type] = handler
  return byType
})()

// Taken out of their tables because this is hot: the engine folds constants of the same file, but not those it imports.
const { GoBlock, GoStart, GoSyscallBegin, GoSyscallEnd, GoUnblock } = Ev

/** Lets the event happen if it can: see `Handler`. The most frequent ones by name, so that the engine can inline them. */
export function happen(order: Order, thread: Thread, event: GoEvent): boolean {
  switch (event.type) {
    case GoUnblock:
      return goUnblock(order, thread, event)
    case GoStart:
      return goStart(order, thread, event)
    case GoBlock:
      return goBlock(order, thread, event)
    case GoSyscallBegin:
      return syscallBegin(order, thread, event)
    case GoSyscallEnd:
      return syscallEnd(order, thread, event)
    default:
      return handlers[event.type]!(order, thread, event)
  }
}
