import { readBatchHeader, readTraceHeader, startsBatch } from './batch.js'
import { Ev } from './spec.js'

/** Batches that must follow each other without a flaw before bytes are believed to be a batch again. */
const believableChain = 3
/** Thread ids on Linux stay far below this (PID_MAX_LIMIT is 2^22); other systems' ids are small as well. */
const largestTid = 2 ** 32
/** Generations that may have got lost between the damage and the place where reading goes on. */
const largestGap = 1 << 20

type Verdict = 'yes' | 'no' | 'more'

/**
 * Looks for the next batch after damaged bytes: the first index from which a chain of batches of one generation, or its successor, can be read.
 * @returns the index found (`found`), or the index to go on from when more bytes have come.
 */
export function findBatch(
  buf: Uint8Array,
  from: number,
  limit: number,
  minor: number,
  lastGen: number,
  ended: boolean,
): { found: boolean; index: number } {
  for (let i = from; i < limit; i++) {
    const byte = buf[i]!
    if (byte !== Ev.EventBatch && byte !== Ev.ExperimentalBatch && byte !== 0x67) continue
    const verdict = judge(buf, i, limit, minor, lastGen, ended)
    if (verdict === 'yes') return { found: true, index: i }
    if (verdict === 'more') return { found: false, index: i }
  }
  return { found: false, index: limit }
}

function judge(buf: Uint8Array, from: number, limit: number, minor: number, lastGen: number, ended: boolean): Verdict {
  let pos = from
  let gen = 0
  const cut: Verdict = ended ? 'no' : 'more'
  for (let links = 0; links < believableChain; links++) {
    if (pos >= limit) return ended && links > 0 ? 'yes' : cut
    const byte = buf[pos]!
    if (byte === 0x67) {
      if (pos + readTraceHeader.sizeBytes > limit) return cut
      return Number.isNaN(readTraceHeader(buf, pos)) ? 'no' : 'yes'
    }
    if (byte === Ev.EndOfGeneration && minor >= 26 && links > 0) {
      pos++
      continue
    }
    if (!startsBatch(byte, minor)) return 'no'
    const batch = readBatchHeader(buf, pos, limit, 0)
    if (batch === undefined) return cut
    if (typeof batch === 'string' || batch.tid > largestTid) return 'no'
    if (
      gen === 0 ? batch.gen < lastGen || batch.gen > lastGen + largestGap : batch.gen !== gen && batch.gen !== gen + 1
    )
      return 'no'
    gen = batch.gen
    pos = batch.endBytes
  }
  return 'yes'
}
