import { LineKind, lineKind } from './boundary.js'
import { Byte } from './bytes.js'
import { Head } from './head.js'

/** A record saying that events were lost, as perf script prints it; the time is on perf's clock. It names no CPU: all lost some. */
export function lostRecordText(atNs: bigint, events: number): Buffer {
  const seconds = atNs / 1_000_000_000n
  const fraction = String(atNs % 1_000_000_000n).padStart(9, '0')
  return Buffer.from(`perf     0/0     ${seconds}.${fraction}: PERF_RECORD_LOST lost ${events}\n`)
}

/** A record saying that there is such a thread, as perf script lists those it finds when it begins: without a time. */
export function commRecordText(comm: string, pid: number, tid: number): string {
  return `${comm}     0/0     [000]     0.000000000: PERF_RECORD_COMM: ${comm}:${pid}/${tid}\n`
}

/** Size of the comment lines at the start of a text. */
export function leadingComments(bytes: Uint8Array): number {
  const head = new Head()
  for (let start = 0; ;) {
    const newline = bytes.indexOf(Byte.newline, start)
    if (newline < 0 || lineKind(bytes, start, newline, head) !== LineKind.Comment) return start
    start = newline + 1
  }
}

/** Time of the last record that begins in these bytes, ns on perf's clock. */
export function lastRecordTime(bytes: Buffer): bigint | undefined {
  const head = new Head()
  for (let end = bytes.lastIndexOf(Byte.newline); end >= 0;) {
    const start = end === 0 ? 0 : bytes.lastIndexOf(Byte.newline, end - 1) + 1
    const kind = lineKind(bytes, start, end, head)
    if ((kind === LineKind.Sample || kind === LineKind.Sideband) && head.seconds > 0)
      return BigInt(head.seconds) * 1_000_000_000n + BigInt(head.nanos)
    end = start - 1
  }
  return undefined
}

/** Time of the first record with one that begins in these bytes, ns on perf's clock. */
export function firstRecordTime(bytes: Uint8Array): bigint | undefined {
  const head = new Head()
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(Byte.newline, start)
    if (newline < 0) return undefined
    const kind = lineKind(bytes, start, newline, head)
    if ((kind === LineKind.Sample || kind === LineKind.Sideband) && head.seconds > 0)
      return BigInt(head.seconds) * 1_000_000_000n + BigInt(head.nanos)
    start = newline + 1
  }
  return undefined
}

/** Samples and one-line records in a text of whole records. */
export function countRecords(bytes: Uint8Array): number {
  const head = new Head()
  let records = 0
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(Byte.newline, start)
    const end = newline < 0 ? bytes.length : newline
    const kind = lineKind(bytes, start, end, head)
    if (kind === LineKind.Sample || kind === LineKind.Sideband) records++
    start = end + 1
  }
  return records
}
