import type { OrderState } from './order/state.js'

/** What a reader must remember between generations. Plain data for structured cloning. */
export interface GoReaderState {
  consumedBytes: number
  minor: number
  lastGen: number
  traceIndex: number
  baseNs: bigint | undefined
  generationsRead: number
  syncs: number
  lastTimeNs: number
  lastOrderedNs: number
  order: OrderState
}

/** Before the first byte. */
export function initialState(): GoReaderState {
  return {
    consumedBytes: 0,
    minor: 0,
    lastGen: 0,
    traceIndex: 0,
    baseNs: undefined,
    generationsRead: 0,
    syncs: 0,
    lastTimeNs: 0,
    lastOrderedNs: Number.NEGATIVE_INFINITY,
    order: { firstGen: 0, goroutines: [], procs: [], threads: [], tasks: [], gcSeq: 0, gcState: 0 },
  }
}
