import { ByteTable } from './byteTable.js'
import type { ByteSource } from './bytes.js'
import { type SyscallEvent, syscallEventOf } from './syscallEvents.js'

/** What the reader must know of an event, as bits. */
export const EventTrait = {
  Tracepoint: 1,
  OwnPeriod: 2,
  SyscallExit: 4,
  SchedSwitch: 8,
  SchedWakeup: 16,
  /** A tracepoint of whose events only some were recorded. */
  Sampled: 32,
} as const

/** Terms of a PMU event end in `/modifiers`; a modifier is a few of these letters behind a colon. */
const modifiers = /:[ukhpPGHSDIWeb]+$/

/** The name a person gave: `cpu-clock/freq=499/` is `cpu-clock`, `cycles:u` is `cycles`, `cpu/event=0x3c/u` is `cpu/event=0x3c/`. */
export function plainEventName(printed: string): string {
  const withoutModifiers = printed.replace(modifiers, '')
  const terms = /^([^/]+)\/(.*)\/[a-zA-Z]*$/s.exec(withoutModifiers)
  if (terms === null) return withoutModifiers
  // A PMU with only `event=` terms has no other name: the terms are the event. `name=` and a period or frequency are not.
  return /(?:^|,)(?:event|config|umask)=/.test(terms[2]!) ? `${terms[1]!}/${terms[2]!}/` : terms[1]!
}

/** `group:name`, what is left of modifiers and breakpoints. */
export function isTracepointName(name: string): boolean {
  return /^[^:/]+:[^:/]+$/.test(name) && !name.startsWith('mem:')
}

export function eventTraits(name: string): number {
  let traits = 0
  if (isTracepointName(name)) traits |= EventTrait.Tracepoint
  // These count nanoseconds, not occurrences: the kernel gives each sample the time as its period.
  if (name.startsWith('sched:sched_stat_')) traits |= EventTrait.OwnPeriod
  if (name.startsWith('syscalls:sys_exit_') || name === 'raw_syscalls:sys_exit') traits |= EventTrait.SyscallExit
  if (name === 'sched:sched_switch') traits |= EventTrait.SchedSwitch
  if (/^sched:sched_wak(?:ing|eup|eup_new)$/.test(name)) traits |= EventTrait.SchedWakeup
  return traits
}

/** Event names as small integers. Ids stay the same over save and restore. */
export class EventTable {
  readonly names: string[]
  /** Tracepoints known to be sampled, with the stream position of what told it. */
  readonly sampled: Map<string, number>
  private readonly printed = new ByteTable()
  private readonly idOfPrinted: number[] = []
  private readonly idOfName = new Map<string, number>()
  private readonly traits: number[]
  private readonly syscalls: (SyscallEvent | undefined)[]
  /** Halves of system calls that raw_syscalls tells. */
  private readonly rawHalves = new Set<SyscallEvent['half']>()

  constructor(names: readonly string[] = [], sampled: readonly (readonly [string, number])[] = []) {
    this.names = [...names]
    this.sampled = new Map(sampled)
    this.traits = names.map((name) => this.allTraits(name))
    this.syscalls = names.map(syscallEventOf)
    names.forEach((name) => this.expect(name))
    names.forEach((name, id) => this.idOfName.set(name, id))
  }

  intern(source: ByteSource, start: number, end: number): number {
    const printed = this.printed.intern(source, start, end - start)
    return (this.idOfPrinted[printed] ??= this.idOf(plainEventName(this.printed.text(printed))))
  }

  traitsOf(id: number): number {
    return this.traits[id]!
  }

  /** What the event tells of a system call. Undefined when nothing, and for events of `syscalls:` that repeat those of `raw_syscalls:`. */
  syscallOf(id: number): SyscallEvent | undefined {
    return this.syscalls[id]
  }

  /** Events of this name are among those recorded. */
  expect(name: string): void {
    const event = syscallEventOf(name)
    if (event === undefined || event.name !== undefined || this.rawHalves.has(event.half)) return
    this.rawHalves.add(event.half)
    for (const [id, other] of this.syscalls.entries()) if (this.isRepeated(other)) this.syscalls[id] = undefined
  }

  markSampled(name: string, offsetBytes: number): void {
    this.sampled.set(name, offsetBytes)
    const id = this.idOfName.get(name)
    if (id !== undefined) this.traits[id]! |= EventTrait.Sampled
  }

  private allTraits(name: string): number {
    return eventTraits(name) | (this.sampled.has(name) ? EventTrait.Sampled : 0)
  }

  private isRepeated(event: SyscallEvent | undefined): boolean {
    return event?.name !== undefined && this.rawHalves.has(event.half)
  }

  private idOf(name: string): number {
    const known = this.idOfName.get(name)
    if (known !== undefined) return known
    const id = this.names.push(name) - 1
    this.traits.push(this.allTraits(name))
    this.expect(name)
    const syscall = syscallEventOf(name)
    this.syscalls.push(this.isRepeated(syscall) ? undefined : syscall)
    this.idOfName.set(name, id)
    return id
  }
}
