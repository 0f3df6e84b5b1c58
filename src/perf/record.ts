import { TextCache } from './byteTable.js'
import { slackBytes, viewOf, type ByteSource } from './bytes.js'
import { SchedSwitch, SchedWakeup, syscallFdOf, syscallNumberOf, syscallReturnOf } from './tracepoints.js'
import { EventTrait } from './events.js'
import type { Head } from './head.js'

export const PerfKind = {
  Sample: 0,
  SwitchIn: 1,
  SwitchOut: 2,
  Lost: 3,
  LostSamples: 4,
  Fork: 5,
  Exit: 6,
  Comm: 7,
  Mmap: 8,
  Other: 9,
} as const
export type PerfKind = (typeof PerfKind)[keyof typeof PerfKind]

/** Names of the kinds in output, by number. */
export const perfKindNames: readonly string[] = [
  'sample',
  'switch_in',
  'switch_out',
  'lost',
  'lost_samples',
  'fork',
  'exit',
  'comm',
  'mmap',
  'other',
]

const nothing: ByteSource = (() => {
  const bytes = Buffer.alloc(slackBytes)
  return { bytes, view: viewOf(bytes) }
})()

/**
 * One record of perf's text. The reader reuses one object: fields and getters hold until its next `next()` or `push()`.
 */
export class PerfRecord {
  kind: PerfKind = PerfKind.Other
  /** -1 = not printed. */
  pid = -1
  tid = -1
  /** -1 = not printed. */
  cpu = -1
  /** Since the reader's `baseNs`; an exact whole number. 0 when there is no time. The fraction makes the engine keep times as doubles from the start. */
  timeNs = 0.5
  /** False for synthesised records, whose printed time 0 means nothing, and for text without times. */
  hasTime = false
  /** 1 when not printed. */
  period = 1
  /** -1 for side-band records; else for PerfScriptReader.eventName. */
  eventId = -1
  /** SwitchOut: the thread was still runnable. */
  preempt = false
  /** Lost, LostSamples: how many. */
  lost = 0
  /** Fork: the new thread. Exit: the one that ended. Comm: the one that got its name. -1 otherwise. */
  childPid = -1
  childTid = -1
  /** PERF_RECORD_SWITCH_CPU_WIDE: the thread switched to (SwitchOut) or from (SwitchIn). -1 otherwise. */
  peerPid = -1
  peerTid = -1
  /** Size of the record's text. */
  bytes = 0
  /** Position of the record's text in the stream; a double from the start as well. */
  offsetBytes = 0.5

  /** Where the text parts are; set by the reader. */
  source: ByteSource = nothing
  commStart = 0
  commEnd = 0
  nameStart = 0
  nameEnd = 0
  traceStart = 0
  traceEnd = 0
  headStart = 0
  /** Behind the newline of the record's first line. */
  headEnd = 0
  traits = 0
  stack: { finish(): number } | undefined

  private readonly texts = new TextCache()
  private readonly switchFields = new SchedSwitch(this.texts)
  private readonly wakeupFields = new SchedWakeup(this.texts)

  /** 0 = no stack; else for PerfScriptReader.stack. A stack is looked for among those before when this is asked for. */
  get stackId(): number {
    return this.stack?.finish() ?? 0
  }

  /** A name was printed. */
  get hasComm(): boolean {
    return this.commEnd > this.commStart
  }

  get comm(): string {
    return this.texts.text(this.source, this.commStart, this.commEnd)
  }

  /** Text after the event's name: a tracepoint's fields, a side-band record's arguments. */
  get trace(): string {
    return this.source.bytes.toString('utf8', this.traceStart, this.traceEnd)
  }

  /** Name as printed: an event with its terms and modifiers, or PERF_RECORD_…. */
  get printedName(): string {
    return this.texts.text(this.source, this.nameStart, this.nameEnd)
  }

  /** A sample of a tracepoint of whose events only some were recorded: no duration can be computed from it. */
  get isSampled(): boolean {
    return (this.traits & EventTrait.Sampled) !== 0
  }

  /** Takes the head of the line at the window's position, and forgets everything of the record before. */
  begin(window: ByteSource & { readonly pos: number; readonly streamPos: number }, head: Head, headEnd: number): void {
    this.source = window
    this.offsetBytes = window.streamPos
    this.headStart = window.pos
    this.headEnd = headEnd
    this.commStart = head.commStart
    this.commEnd = head.commEnd
    this.pid = head.pid
    this.tid = head.tid
    this.cpu = head.cpu
    this.period = 1
    this.eventId = -1
    this.stack = undefined
    this.traits = 0
    this.preempt = false
    this.lost = 0
    this.childPid = this.childTid = this.peerPid = this.peerTid = -1
  }

  /** The first line moved to the left by so many bytes. */
  shift(byBytes: number): void {
    this.headStart -= byBytes
    this.headEnd -= byBytes
    this.commStart -= byBytes
    this.commEnd -= byBytes
    this.nameStart -= byBytes
    this.nameEnd -= byBytes
    this.traceStart -= byBytes
    this.traceEnd -= byBytes
  }

  /** Fields of a sched:sched_switch sample, in a reused object; undefined for other records. */
  schedSwitch(): SchedSwitch | undefined {
    if ((this.traits & EventTrait.SchedSwitch) === 0) return undefined
    return this.switchFields.parse(this.source, this.traceStart, this.traceEnd) ? this.switchFields : undefined
  }

  /** Fields of a sched_waking, sched_wakeup or sched_wakeup_new sample, in a reused object; undefined for other records. */
  schedWakeup(): SchedWakeup | undefined {
    if ((this.traits & EventTrait.SchedWakeup) === 0) return undefined
    return this.wakeupFields.parse(this.source, this.traceStart, this.traceEnd) ? this.wakeupFields : undefined
  }

  /** Return value of a syscalls:sys_exit_… or raw_syscalls:sys_exit sample, an errno negative; NaN for other records. */
  syscallReturn(): number {
    if ((this.traits & EventTrait.SyscallExit) === 0) return NaN
    return syscallReturnOf(this.source.bytes, this.traceStart, this.traceEnd)
  }

  /** First argument of a raw_syscalls:sys_enter sample, or of a syscalls:sys_enter_… when it is a file descriptor; -1 for other records. */
  syscallFd(): number {
    return syscallFdOf(this.source.bytes, this.traceStart, this.traceEnd)
  }

  /** Number of the system call of a raw_syscalls sample; -1 for other records. */
  syscallNumber(): number {
    return this.eventId < 0 ? -1 : syscallNumberOf(this.source.bytes, this.traceStart, this.traceEnd)
  }
}
