import type { GoEvent } from '../event.js'
import type { Order, Thread } from './state.js'

/**
 * Tries to let an event happen: checks it against the state, changes the state, and completes the event (`from`, `to`, context).
 * @returns false, with nothing changed, when an event of another thread must come first
 * @throws Broken when the event cannot be right whatever comes first
 */
export type Handler = (order: Order, thread: Thread, event: GoEvent) => boolean

export type Handlers = readonly (readonly [type: number, handler: Handler])[]
