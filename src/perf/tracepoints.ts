import { TextCache } from './byteTable.js'
import { Byte, Cursor, endsWith, sourceOfText, spacesBack, startsWith, type ByteSource } from './bytes.js'

// Names in a tracepoint's text are raw and may imitate the text around them, so everything is read from the right and a name is
// what remains between fixed neighbours; it has at most 15 bytes.

const commBytes = 15

const literal = (text: string): Uint8Array => Buffer.from(text)
const prevComm = literal('prev_comm=')
const prevPid = literal(' prev_pid=')
const prevPrio = literal(' prev_prio=')
const prevState = literal(' prev_state=')
const nextComm = literal(' ==> next_comm=')
const nextPid = literal(' next_pid=')
const nextPrio = literal(' next_prio=')
const comm = literal('comm=')
const pid = literal(' pid=')
const prio = literal(' prio=')
const success = literal(' success=')
const targetCpu = literal(' target_cpu=')
const syscallNumber = literal('NR ')
const hexadecimal = literal('0x')

const cursor = new Cursor()

/** sched:sched_switch. One object is reused; names are decoded when asked for. */
export class SchedSwitch {
  prevTid = -1
  nextTid = -1
  /** 'R' (still runnable), 'R+' (preempted), 'S', 'D', 'D|W' … */
  prevState = ''
  private source: ByteSource | undefined
  private prevCommStart = 0
  private prevCommEnd = 0
  private nextCommStart = 0
  private nextCommEnd = 0

  constructor(private readonly texts: TextCache) {}

  get prevComm(): string {
    return this.source === undefined ? '' : this.texts.text(this.source, this.prevCommStart, this.prevCommEnd)
  }

  get nextComm(): string {
    return this.source === undefined ? '' : this.texts.text(this.source, this.nextCommStart, this.nextCommEnd)
  }

  /** Reads the text [start, end); false when it is something else. */
  parse(source: ByteSource, start: number, end: number): boolean {
    const { bytes } = source
    cursor.at = end
    if (Number.isNaN(cursor.intBack(bytes, start)) || !cursor.literalBack(bytes, start, nextPrio)) return false
    const nextTid = cursor.intBack(bytes, start)
    if (Number.isNaN(nextTid) || !cursor.literalBack(bytes, start, nextPid)) return false
    const nextEnd = cursor.at
    const lowest = Math.max(start, nextEnd - commBytes)
    for (let nextStart = nextEnd; nextStart >= lowest; nextStart--) {
      if (
        !endsWith(bytes, start, nextStart, nextComm) ||
        !this.parsePrevious(source, start, nextStart - nextComm.length)
      ) {
        continue
      }
      this.nextTid = nextTid
      this.nextCommStart = nextStart
      this.nextCommEnd = nextEnd
      return true
    }
    return false
  }

  private parsePrevious(source: ByteSource, start: number, end: number): boolean {
    const { bytes } = source
    let stateStart = end
    while (stateStart > start && bytes[stateStart - 1] !== Byte.space && bytes[stateStart - 1] !== 0x3d) stateStart--
    cursor.at = stateStart
    if (stateStart === end || !cursor.literalBack(bytes, start, prevState)) return false
    if (Number.isNaN(cursor.intBack(bytes, start)) || !cursor.literalBack(bytes, start, prevPrio)) return false
    const prevTid = cursor.intBack(bytes, start)
    if (Number.isNaN(prevTid) || !cursor.literalBack(bytes, start, prevPid)) return false
    if (!startsWith(bytes, start, cursor.at, prevComm)) return false
    this.source = source
    this.prevTid = prevTid
    this.prevState = this.texts.text(source, stateStart, end)
    this.prevCommStart = start + prevComm.length
    this.prevCommEnd = cursor.at
    return true
  }
}

/** sched:sched_waking, sched_wakeup and sched_wakeup_new: whom was woken. One object is reused. */
export class SchedWakeup {
  tid = -1
  targetCpu = -1
  private source: ByteSource | undefined
  private commStart = 0
  private commEnd = 0

  constructor(private readonly texts: TextCache) {}

  get comm(): string {
    return this.source === undefined ? '' : this.texts.text(this.source, this.commStart, this.commEnd)
  }

  /** Reads the text [start, end); false when it is something else. */
  parse(source: ByteSource, start: number, end: number): boolean {
    const { bytes } = source
    cursor.at = end
    const cpu = cursor.intBack(bytes, start)
    if (Number.isNaN(cpu) || !cursor.literalBack(bytes, start, targetCpu)) return false
    // Kernels before 4.3 print success=1 in front of the CPU.
    const value = cursor.intBack(bytes, start)
    if (Number.isNaN(value)) return false
    if (cursor.literalBack(bytes, start, success) && Number.isNaN(cursor.intBack(bytes, start))) return false
    if (!cursor.literalBack(bytes, start, prio)) return false
    const tid = cursor.intBack(bytes, start)
    if (Number.isNaN(tid) || !cursor.literalBack(bytes, start, pid)) return false
    if (!startsWith(bytes, start, cursor.at, comm)) return false
    this.source = source
    this.tid = tid
    this.targetCpu = cpu
    this.commStart = start + comm.length
    this.commEnd = cursor.at
    return true
  }
}

/** Return value of a syscall exit, NaN for any other text: `0x…` (64-bit two's complement) or `NR n = value`. */
export function syscallReturnOf(bytes: Uint8Array, start: number, end: number): number {
  const stop = spacesBack(bytes, start, end)
  if (startsWith(bytes, start, stop, hexadecimal)) return signedHex(bytes, start + hexadecimal.length, stop)
  if (!startsWith(bytes, start, stop, syscallNumber)) return NaN
  cursor.at = stop
  const value = cursor.intBack(bytes, start)
  return endsWith(bytes, start, cursor.at, equals) ? value : NaN
}

const equals = literal(' = ')

/** Number of the system call in `NR n …`, -1 for any other text. */
export function syscallNumberOf(bytes: Uint8Array, start: number, end: number): number {
  if (!startsWith(bytes, start, end, syscallNumber)) return -1
  cursor.at = start + syscallNumber.length
  const value = cursor.intAhead(bytes, end)
  return Number.isNaN(value) ? -1 : value
}

/** Names the kernel gives to a first argument that is a file descriptor (format files of the tracepoints; `dfd` is a directory). */
const fdNames = ['fd', 'epfd', 'fildes', 'ufd', 'mqdes', 'fd_in', 'out_fd'].map((name) => literal(`${name}: 0x`))

/** The first argument in `fd: 0x…, …`, or in `NR n (…, …)` whatever it is; -1 for any other text, or when it is no file descriptor's number. */
export function syscallFdOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (startsWith(bytes, start, end, syscallNumber)) {
    while (at < end && bytes[at] !== Byte.openParen) at++
    at++
  } else {
    const name = fdNames.find((candidate) => startsWith(bytes, start, end, candidate))
    if (name === undefined) return -1
    at += name.length
  }
  let value = 0
  let digits = 0
  for (; at < end && hexDigit(bytes[at]!) >= 0; at++, digits++) value = value * 16 + hexDigit(bytes[at]!)
  return digits > 0 && value < 2 ** 31 ? value : -1
}

function signedHex(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > 16) return NaN
  let high = 0
  let low = 0
  for (let at = start; at < end; at++) {
    const digit = hexDigit(bytes[at]!)
    if (digit < 0) return NaN
    high = (high << 4) | (low >>> 28)
    low = ((low << 4) | digit) >>> 0
  }
  return high * 2 ** 32 + low
}

export function hexDigit(byte: number): number {
  if (byte >= Byte.zero && byte <= Byte.nine) return byte - Byte.zero
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x61 + 10 : -1
}

const texts = new TextCache()
const sharedSwitch = new SchedSwitch(texts)
const sharedWakeup = new SchedWakeup(texts)

/** The fields of a sched:sched_switch text, in a reused object; undefined when it does not match. */
export function parseSchedSwitch(text: string): SchedSwitch | undefined {
  const source = sourceOfText(text)
  return sharedSwitch.parse(source, 0, source.end) ? sharedSwitch : undefined
}

/** The fields of a sched_waking, sched_wakeup or sched_wakeup_new text, in a reused object; undefined when it does not match. */
export function parseSchedWakeup(text: string): SchedWakeup | undefined {
  const source = sourceOfText(text)
  return sharedWakeup.parse(source, 0, source.end) ? sharedWakeup : undefined
}

/** The signed return value in a syscall exit's text (`0x…` or `NR n = value`); undefined when it does not match. */
export function parseSyscallExit(text: string): number | undefined {
  const source = sourceOfText(text)
  const value = syscallReturnOf(source.bytes, 0, source.end)
  return Number.isNaN(value) ? undefined : value
}
