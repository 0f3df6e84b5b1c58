import { Ev, maxBatchBytes } from './spec.js'
import { asInteger } from './varint.js'

/** One framed batch: a run of records written by one thread. Offsets are stream offsets of its data. */
export interface Batch {
  readonly gen: number
  /** Thread id of the writer, -1 = none. */
  readonly tid: number
  /** Time the batch began, in the trace's units. */
  readonly units: number
  readonly startBytes: number
  readonly endBytes: number
  /** Data of an experiment, whose layout is not ours to know. */
  readonly experimental: boolean
}

const headerBytes = 16
/** Longest batch header: kind, experiment, and four numbers of ten bytes. */
const batchHeaderBytes = 42

/** A trace header `go 1.NN trace` is 16 bytes; `minor` is NaN when these bytes are none. */
export function readTraceHeader(buf: Uint8Array, index: number): number {
  const text = String.fromCharCode(...buf.subarray(index, index + headerBytes))
  const match = /^go 1\.(\d{1,3}) trace\0+$/.exec(text)
  return match === null ? Number.NaN : Number(match[1])
}
readTraceHeader.sizeBytes = headerBytes

/** The version that the header at the start of these bytes names, such as '1.26'; undefined when there is none. */
export function traceVersionOf(bytes: Uint8Array): string | undefined {
  const minor = readTraceHeader(bytes, 0)
  return Number.isNaN(minor) ? undefined : `1.${minor}`
}

/** The header of a trace of this version, for generations whose own has been lost. */
export function traceHeader(version: string): Uint8Array {
  const header = new Uint8Array(headerBytes)
  new TextEncoder().encodeInto(`go ${version} trace`, header)
  return header
}

/** Whether a byte can begin a batch under this header version. */
export function startsBatch(byte: number, minor: number): boolean {
  return byte === Ev.EventBatch || (byte === Ev.ExperimentalBatch && minor >= 23)
}

/** Reads a batch's header at `index` (which `startsBatch`); the data may still be missing. A string says what is wrong, undefined that bytes are missing. */
export function readBatchHeader(
  buf: Uint8Array,
  index: number,
  limit: number,
  base: number,
): Batch | string | undefined {
  const experimental = buf[index] === Ev.ExperimentalBatch
  let pos = index + (experimental ? 2 : 1)
  const stop = Math.min(limit, index + batchHeaderBytes)
  const numbers = [0, 0, 0, 0]
  for (let n = 0; n < 4; n++) {
    let value = 0
    let scale = 1
    for (let bytes = 0; ; bytes++) {
      if (bytes === 10) return 'a number in a batch header is longer than 64 bits'
      if (pos >= stop) return undefined
      const byte = buf[pos++]!
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) break
    }
    numbers[n] = value
  }
  const [gen, m, units, size] = numbers as [number, number, number, number]
  if (gen === 0 || gen > Number.MAX_SAFE_INTEGER) return `generation number ${gen} is not valid`
  if (size > maxBatchBytes) return `a batch claims ${size} bytes, the format allows ${maxBatchBytes}`
  const startBytes = pos + base
  return {
    gen: asInteger(gen),
    tid: m >= 2 ** 63 ? -1 : asInteger(m),
    units,
    startBytes,
    endBytes: startBytes + size,
    experimental,
  }
}

/** The batches of each thread, threads in the order in which they first appear. */
export function groupByThread(batches: readonly Batch[]): Map<number, Batch[]> {
  const groups = new Map<number, Batch[]>()
  for (const batch of batches) {
    const group = groups.get(batch.tid)
    if (group === undefined) groups.set(batch.tid, [batch])
    else group.push(batch)
  }
  return groups
}
