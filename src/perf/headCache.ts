import { Byte, isDigit, spacesAhead, type ByteSource } from './bytes.js'
import { commBytes, fractionNanos, type Head, mostDigits, parseHead } from './head.js'

const slotBits = 8
/** A name, two ids and a CPU with perf's padding take 35 to 50 bytes. */
const longestWords = 16
/** Bytes that choose the slot: in what perf prints by default, some of the thread's id is among them. */
const keyStart = 8
const keyEnd = 28

interface Known {
  /** Bytes in front of the time. */
  readonly length: number
  readonly commStart: number
  readonly commEnd: number
  readonly pid: number
  readonly tid: number
  readonly cpu: number
}

/**
 * Reads heads as `parseHead` does, faster where a line begins as one before it did, up to its time: threads and CPUs are few. Such a line reads
 * the same: whatever stands in front of the time is judged by its own bytes alone, and what comes behind is not looked at once the time ends
 * further to the right than a name can.
 */
export class HeadCache {
  private readonly known: (Known | undefined)[] = new Array<Known | undefined>(1 << slotBits).fill(undefined)
  /** The bytes of each, as words. */
  private readonly words = new Int32Array(longestWords << slotBits)

  /** Like `parseHead`. */
  read(source: ByteSource, start: number, end: number, head: Head): boolean {
    const { bytes, view } = source
    if (start + longestWords * 4 > view.byteLength) return parseHead(bytes, start, end, head)
    const slot = slotOf(view, start)
    const known = this.known[slot]
    if (known !== undefined && this.matches(slot, known.length, view, start)) {
      const colon = readTime(bytes, start + known.length, end, head)
      if (colon - start - known.commStart >= commBytes) {
        head.commStart = start + known.commStart
        head.commEnd = start + known.commEnd
        head.pid = known.pid
        head.tid = known.tid
        head.cpu = known.cpu
        head.hasTime = true
        head.timeStart = start + known.length
        head.bodyStart = spacesAhead(bytes, colon + 1, end)
        return true
      }
    }
    if (!parseHead(bytes, start, end, head)) return false
    this.remember(slot, view, start, head)
    return true
  }

  private matches(slot: number, length: number, view: DataView, start: number): boolean {
    const { words } = this
    let word = slot * longestWords
    const stop = start + (length & ~3)
    let at = start
    for (; at < stop; at += 4) if (view.getInt32(at, true) !== words[word++]) return false
    const mask = (1 << ((length & 3) * 8)) - 1
    return ((view.getInt32(at, true) ^ words[word]!) & mask) === 0
  }

  private remember(slot: number, view: DataView, start: number, head: Head): void {
    const length = head.timeStart - start
    if (length >= longestWords * 4) return
    for (let i = 0; i * 4 < length; i++) this.words[slot * longestWords + i] = view.getInt32(start + i * 4, true)
    const { commStart, commEnd, pid, tid, cpu } = head
    this.known[slot] = { length, commStart: commStart - start, commEnd: commEnd - start, pid, tid, cpu }
  }
}

function slotOf(view: DataView, start: number): number {
  let hash = 0
  for (let at = start + keyStart; at < start + keyEnd; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return Math.imul(hash, 0x85ebca6b) >>> (32 - slotBits)
}

/** Reads `seconds.fraction:` at `start` into `head`. @returns position of the colon, -1 when something else stands there */
function readTime(bytes: Uint8Array, start: number, end: number, head: Head): number {
  let at = start
  let seconds = 0
  for (; at < end && isDigit(bytes[at]); at++) seconds = seconds * 10 + (bytes[at]! - Byte.zero)
  if (at === start || at - start > mostDigits || bytes[at] !== Byte.dot) return -1
  const fraction = ++at
  let value = 0
  for (; at < end && isDigit(bytes[at]); at++) value = value * 10 + (bytes[at]! - Byte.zero)
  const nanos = fractionNanos(value, at - fraction)
  if (at >= end || nanos < 0 || bytes[at] !== Byte.colon) return -1
  if (at + 1 < end && bytes[at + 1] !== Byte.space) return -1
  head.seconds = seconds
  head.nanos = nanos
  return at
}
