import { Byte, Cursor, decimal, isDigit, spacesAhead, spacesBack, startsWith } from './bytes.js'
import { PerfKind, type PerfRecord } from './record.js'
import { hexDigit } from './tracepoints.js'

const sideband = Buffer.from('PERF_RECORD_')
const cpuWidePeer = Buffer.from('pid/tid:')
const preempt = Buffer.from('OUT preempt')
const cursor = new Cursor()

export function isSideband(bytes: Uint8Array, start: number, end: number): boolean {
  return startsWith(bytes, start, end, sideband)
}

/** Reads `[period] event: trace` at [start, end). An event that is not printed has an empty name. */
export function parseSampleBody(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  let at = start
  while (at < end && isDigit(bytes[at])) at++
  const hasPeriod = at > start && (at === end || bytes[at] === Byte.space)
  record.period = hasPeriod ? decimal(bytes, start, at) : 1
  const name = hasPeriod ? spacesAhead(bytes, at, end) : start
  for (at = name; at < end; at++) {
    if (bytes[at] !== Byte.colon || (at + 1 < end && bytes[at + 1] !== Byte.space)) continue
    record.nameStart = name
    record.nameEnd = at
    record.traceStart = Math.min(at + 2, end)
    record.traceEnd = spacesBack(bytes, record.traceStart, end)
    return
  }
  record.nameStart = record.nameEnd = name
  record.traceStart = name
  record.traceEnd = spacesBack(bytes, name, end)
}

/** perf right-aligns an address to 16 behind one space. */
const ipWidth = 17

/**
 * Start of a frame printed behind the trace text on the same line (no call chain was recorded, or `-G`), -1 when there is none:
 * the last hexadecimal word that, with the spaces in front of it, is as wide as perf prints an address.
 */
export function inlineFrameStart(bytes: Uint8Array, start: number, end: number): number {
  let wordEnd = end
  let hex = true
  for (let at = end - 1; at >= start - 1; at--) {
    const byte = bytes[at]!
    if (byte !== Byte.space) {
      if (hex && hexDigit(byte) < 0) hex = false
      continue
    }
    if (hex && at + 1 < wordEnd) {
      // The spaces between the event and an empty trace count as well.
      const gap = spacesBack(bytes, 0, at + 1)
      if (wordEnd - gap >= ipWidth && wordEnd - at - 1 < ipWidth) return Math.min(at + 1, wordEnd - ipWidth + 1)
    }
    wordEnd = at
    hex = true
  }
  return -1
}

type Reading = (bytes: Uint8Array, start: number, end: number, record: PerfRecord) => void

/** Side-band records by what follows PERF_RECORD_; any other is PerfKind.Other. */
const readings: readonly (readonly [Buffer, PerfKind, Reading])[] = [
  [Buffer.from('SWITCH_CPU_WIDE'), PerfKind.SwitchOut, readSwitch],
  [Buffer.from('SWITCH'), PerfKind.SwitchOut, readSwitch],
  [Buffer.from('LOST_SAMPLES'), PerfKind.LostSamples, readLost],
  [Buffer.from('LOST'), PerfKind.Lost, readLost],
  [Buffer.from('FORK'), PerfKind.Fork, readChild],
  [Buffer.from('EXIT'), PerfKind.Exit, readChild],
  [Buffer.from('COMM'), PerfKind.Comm, readComm],
  [Buffer.from('MMAP2'), PerfKind.Mmap, () => undefined],
  [Buffer.from('MMAP'), PerfKind.Mmap, () => undefined],
]

/** Reads the side-band record at [start, end), which starts with PERF_RECORD_. */
export function parseSideband(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  let nameEnd = start
  while (
    nameEnd < end &&
    bytes[nameEnd] !== Byte.space &&
    bytes[nameEnd] !== Byte.colon &&
    bytes[nameEnd] !== Byte.openParen
  ) {
    nameEnd++
  }
  const traceStart = spacesAhead(bytes, bytes[nameEnd] === Byte.colon ? nameEnd + 1 : nameEnd, end)
  record.nameStart = start
  record.nameEnd = nameEnd
  record.traceStart = traceStart
  record.traceEnd = spacesBack(bytes, traceStart, end)
  record.kind = PerfKind.Other
  const kindStart = start + sideband.length
  for (const [name, kind, read] of readings) {
    if (nameEnd - kindStart !== name.length || !startsWith(bytes, kindStart, nameEnd, name)) continue
    record.kind = kind
    read(bytes, traceStart, record.traceEnd, record)
    return
  }
}

/** `IN`, `OUT`, `OUT preempt`; CPU-wide ones end with `prev|next pid/tid: p/t`. */
function readSwitch(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  if (bytes[start] === 0x49) record.kind = PerfKind.SwitchIn
  record.preempt = startsWith(bytes, start, end, preempt)
  cursor.at = end
  const tid = cursor.intBack(bytes, start)
  if (Number.isNaN(tid) || bytes[cursor.at - 1] !== Byte.slash) return
  cursor.at--
  const pid = cursor.intBack(bytes, start)
  cursor.at = spacesBack(bytes, start, cursor.at)
  if (Number.isNaN(pid) || !cursor.literalBack(bytes, start, cpuWidePeer)) return
  record.peerPid = pid
  record.peerTid = tid
}

/** `lost N` */
function readLost(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  cursor.at = end
  const count = cursor.intBack(bytes, start)
  record.lost = Number.isNaN(count) ? 0 : count
}

/** `(pid:tid):(parent pid:tid)` */
function readChild(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  cursor.at = start + 1
  const pid = cursor.intAhead(bytes, end)
  cursor.at++
  const tid = cursor.intAhead(bytes, end)
  if (Number.isNaN(pid) || Number.isNaN(tid)) return
  record.childPid = pid
  record.childTid = tid
}

/** `[exec]: name:pid/tid`; the name may hold anything. */
function readComm(bytes: Uint8Array, start: number, end: number, record: PerfRecord): void {
  cursor.at = end
  const tid = cursor.intBack(bytes, start)
  if (Number.isNaN(tid) || bytes[cursor.at - 1] !== Byte.slash) return
  cursor.at--
  const pid = cursor.intBack(bytes, start)
  if (Number.isNaN(pid)) return
  record.childPid = pid
  record.childTid = tid
}

/**
 * Whether perf makes such a record up at the start, with time 0, to describe what already exists. It never does so
 * for samples, switches, ends of threads, or an exec.
 */
export function mayBeSynthesised(bytes: Uint8Array, record: PerfRecord): boolean {
  switch (record.kind) {
    case PerfKind.Sample:
    case PerfKind.SwitchIn:
    case PerfKind.SwitchOut:
    case PerfKind.Exit:
      return false
    case PerfKind.Comm:
      // `PERF_RECORD_COMM exec: name` or `PERF_RECORD_COMM: name`, where the name may begin with anything.
      return bytes[record.nameEnd] === Byte.colon
    default:
      return true
  }
}
