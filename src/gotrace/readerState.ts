import type { OrderState } from './order/state.js'

/** What a reader must remember between generations. Plain data for structured cloning. */
export interface GoReaderState {
  consumedBytes: number
  minor: number
  lastGen: number
  traceIndex: number
  /** See GoTraceReader. -1 = no event yet. */
  pieceIndex: number
  /** The generation whose events were told last, its trace, and whether the rest of it was left out. */
  toldGen: number
  toldTrace: number
  cutShort: boolean
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
    pieceIndex: -1,
    toldGen: 0,
    toldTrace: -1,
    cutShort: false,
    baseNs: undefined,
    generationsRead: 0,
    syncs: 0,
    lastTimeNs: 0,
    lastOrderedNs: Number.NEGATIVE_INFINITY,
    order: { firstGen: 0, goroutines: [], procs: [], threads: [], tasks: [], gcSeq: 0, gcState: 0 },
  }
}
