import { Byte, decimal, digitsBack, isDigit, spacesAhead, spacesBack } from './bytes.js'

/** The kernel keeps 15 bytes of a thread's name; perf prints them raw. */
export const commBytes = 15
/** Longest name taken when no shorter reading of the line exists: other tools write perf's text too. */
const longestCommBytes = 64
/** Seconds and ids have fewer digits than this; more would not be exact numbers. */
export const mostDigits = 12

/** Nanoseconds in the last digit of a fraction, by its number of digits. */
const nanosPerUnit = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1] as const

/** Nanoseconds of a fraction of a second that perf printed with so many digits; -1 when that is no number of digits it prints. */
export function fractionNanos(value: number, digits: number): number {
  return digits < 6 || digits > 9 ? -1 : value * nanosPerUnit[digits]!
}

/** First half of a record's first line: `comm pid/tid [cpu] seconds.fraction:`. Positions are indexes into the bytes read. */
export class Head {
  commStart = 0
  commEnd = 0
  /** -1 = not printed. */
  pid = -1
  tid = -1
  cpu = -1
  hasTime = false
  seconds = 0
  /** Below the second. */
  nanos = 0
  /** First digit of the time; meaningless without one. */
  timeStart = 0
  /** First byte behind the time, spaces skipped. */
  bodyStart = 0
}

/**
 * Reads the head of the line [start, end) leftwards from its timestamp, because the name in front may hold anything. Text behind the
 * time can imitate a head, and so can the name. The name has at most 15 bytes, and a head in the text behind would make it
 * longer, so the last reading with such a name is the right one.
 */
export function parseHead(bytes: Uint8Array, start: number, end: number, head: Head): boolean {
  const first = spacesAhead(bytes, start, end)
  let found = false
  for (let at = first; at < end; at++) {
    if (bytes[at] !== Byte.colon) continue
    if (at + 1 < end && bytes[at + 1] !== Byte.space) continue
    if (!parseHeadBefore(bytes, first, at, found ? commBytes : longestCommBytes, head)) continue
    head.bodyStart = spacesAhead(bytes, at + 1, end)
    found = true
    if (at - first >= commBytes) return true
  }
  return found
}

/** Reads the head whose time ends at the colon; leaves `head` alone when there is none. */
function parseHeadBefore(bytes: Uint8Array, first: number, colon: number, longest: number, head: Head): boolean {
  const fraction = digitsBack(bytes, first, colon)
  const fractionDigits = colon - fraction
  if (fractionDigits < 6 || fractionDigits > 9 || fraction - 1 <= first || bytes[fraction - 1] !== Byte.dot)
    return false
  const seconds = digitsBack(bytes, first, fraction - 1)
  const secondsDigits = fraction - 1 - seconds
  if (secondsDigits === 0 || secondsDigits > mostDigits || !follows(bytes, first, seconds)) return false

  let at = spacesBack(bytes, first, seconds)
  if (bytes[at - 1] !== Byte.closeBracket) at = beforeExtras(bytes, first, at)
  let cpu = -1
  if (at > first && bytes[at - 1] === Byte.closeBracket) {
    const cpuStart = digitsBack(bytes, first, at - 1)
    if (cpuStart === at - 1 || cpuStart <= first || bytes[cpuStart - 1] !== Byte.openBracket) return false
    cpu = decimal(bytes, cpuStart, at - 1)
    if (!follows(bytes, first, cpuStart - 1)) return false
    at = spacesBack(bytes, first, cpuStart - 1)
  }

  let id = signedBack(bytes, first, at)
  if (id === at || at - id > mostDigits) return false
  const tid = signed(bytes, id, at)
  let pid = -1
  if (id > first && bytes[id - 1] === Byte.slash) {
    const pidStart = signedBack(bytes, first, id - 1)
    if (pidStart === id - 1 || id - pidStart > mostDigits) return false
    pid = signed(bytes, pidStart, id - 1)
    id = pidStart
  }
  if (id !== first && bytes[id - 1] !== Byte.space) return false
  const commEnd = spacesBack(bytes, first, id)
  if (commEnd - first > longest) return false

  head.commStart = first
  head.commEnd = commEnd
  head.pid = pid
  head.tid = tid
  head.cpu = cpu
  head.hasTime = true
  head.seconds = decimal(bytes, seconds, fraction - 1)
  head.nanos = fractionNanos(decimal(bytes, fraction, colon), fractionDigits)
  head.timeStart = seconds
  return true
}

/** Letters of `-F +misc`: the CPU's mode, then what kind of record it is. */
const miscLetters = Buffer.from('KUHGgMESp')
const timeOfDay = Buffer.from('0000-00-00 00:00:00.')

/** Steps back over what `-F +misc,+tod` put between the CPU and the time that follows `end`: `K     2026-11-23 18:38:24.292344`. */
function beforeExtras(bytes: Uint8Array, first: number, end: number): number {
  const afterMisc = spacesBack(bytes, first, timeOfDayStart(bytes, first, end))
  let at = afterMisc
  while (at > first && miscLetters.includes(bytes[at - 1]!)) at--
  return at < afterMisc && follows(bytes, first, at) ? spacesBack(bytes, first, at) : afterMisc
}

/** Start of the time of day that ends before `end`; `end` when there is none. */
function timeOfDayStart(bytes: Uint8Array, first: number, end: number): number {
  const start = digitsBack(bytes, first, end) - timeOfDay.length
  if (start < first) return end
  for (const [i, form] of timeOfDay.entries()) {
    const byte = bytes[start + i]
    if (form === Byte.zero ? !isDigit(byte) : byte !== form) return end
  }
  return start
}

/** A field starts at `at`: something and a space stand before it. */
function follows(bytes: Uint8Array, first: number, at: number): boolean {
  return at > first && bytes[at - 1] === Byte.space
}

function signedBack(bytes: Uint8Array, start: number, end: number): number {
  const from = digitsBack(bytes, start, end)
  return from < end && from > start && bytes[from - 1] === Byte.minus ? from - 1 : from
}

function signed(bytes: Uint8Array, start: number, end: number): number {
  return bytes[start] === Byte.minus ? -decimal(bytes, start + 1, end) : decimal(bytes, start, end)
}

const timeless =
  /^ *(.*?) *(?<![^ ])(-?\d{1,12})(?:\/(-?\d{1,12}))? +(?:\[(\d{3,})\] +)?(?=(?:\d+ +)?[^\s:]\S*:(?:\s|$))/s

/**
 * Reads the head of a line without a time, `comm pid/tid [cpu]`, in front of `period event: `. Looser than `parseHead`, as nothing
 * anchors it: only for text in which no record has a time.
 */
export function parseTimelessHead(bytes: Buffer, start: number, end: number, head: Head): boolean {
  const line = bytes.toString('latin1', start, Math.min(end, start + 256))
  const match = timeless.exec(line)
  if (match === null || match[1]!.length > longestCommBytes) return false
  head.commStart = start + line.indexOf(match[1]!)
  head.commEnd = head.commStart + match[1]!.length
  head.pid = match[3] === undefined ? -1 : Number(match[2])
  head.tid = Number(match[3] ?? match[2])
  head.cpu = match[4] === undefined ? -1 : Number(match[4])
  head.hasTime = false
  head.seconds = 0
  head.nanos = 0
  head.bodyStart = start + match[0].length
  return true
}
