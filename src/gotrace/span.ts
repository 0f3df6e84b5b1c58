import { type Batch, readBatchHeader, readTraceHeader } from './batch.js'
import { Ev } from './spec.js'
import { VarintReader } from './varint.js'

/** When a generation began and ended, ns on the trace's clock (CLOCK_MONOTONIC on Linux). */
export interface GenerationSpan {
  readonly startNs: number
  readonly endNs: number
}

/**
 * The time between the first and the last batch of one whole generation of format v2, as the splitter gives it, with or without the trace's header:
 * without decoding events. Strings and stacks are written out when a generation is over, so the last batch marks its end.
 * Undefined for other bytes.
 */
export function generationSpan(bytes: Uint8Array): GenerationSpan | undefined {
  let pos = Number.isNaN(readTraceHeader(bytes, 0)) ? 0 : readTraceHeader.sizeBytes
  let first = Infinity
  let last = -Infinity
  let unitsPerSecond = NaN
  while (pos < bytes.length && bytes[pos] !== Ev.EndOfGeneration) {
    const batch = readBatchHeader(bytes, pos, bytes.length, 0)
    if (typeof batch !== 'object' || batch.endBytes > bytes.length) return undefined
    first = Math.min(first, batch.units)
    last = Math.max(last, batch.units)
    unitsPerSecond = frequencyIn(bytes, batch) ?? unitsPerSecond
    pos = batch.endBytes
  }
  if (Number.isNaN(unitsPerSecond) || last < first) return undefined
  return { startNs: first * (1e9 / unitsPerSecond), endNs: last * (1e9 / unitsPerSecond) }
}

/** A batch of its own up to Go 1.24, the first record of the sync batch from 1.25 on. */
function frequencyIn(bytes: Uint8Array, { startBytes, endBytes }: Batch): number | undefined {
  const at = startBytes + (bytes[startBytes] === Ev.Sync ? 1 : 0)
  return bytes[at] === Ev.Frequency ? new VarintReader().at(bytes, at + 1, endBytes).read() : undefined
}
