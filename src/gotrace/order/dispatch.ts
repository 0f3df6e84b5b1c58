import { annotationHandlers } from './annotations.js'
import { goroutineHandlers } from './goroutines.js'
import type { Handler } from './handlers.js'
import { procHandlers } from './procs.js'
import { rangeHandlers } from './ranges.js'
import { broken } from './state.js'
import { syscallHandlers } from './syscalls.js'

const unexpected: Handler = (_order, _thread, event) => broken(`event ${event.type} has no place in a thread's batch`)

/** The handler of every event, by wire id. */
export const handlers: readonly Handler[] = (() => {
  const byType = Array.from({ length: 256 }, () => unexpected)
  for (const group of [procHandlers, goroutineHandlers, syscallHandlers, rangeHandlers, annotationHandlers])
    for (const [type, handler] of group) byType[type] = handler
  return byType
})()
