import type { ByteWindow } from '../bytes.js'
import type { GoEvent } from '../event.js'
import type { GenerationTables } from '../generation.js'
import { Ev, specs } from '../spec.js'
import { GoState } from '../states.js'
import { noneOnWire, VarintReader } from '../varint.js'
import { V1Annotations } from './annotations.js'
import { V1Check } from './check.js'
import { conversions } from './convert.js'
import { setTransition, V1Procs } from './procs.js'
import type { V1Record } from './record.js'
import type { V1Index } from './scanner.js'
import { V1Sequence } from './sequence.js'
import { V1, v1HasStack, v1NumberCount } from './spec.js'
import { survey } from './survey.js'
import { V1Tables } from './tables.js'

/**
 * Tells the events of a v1 trace in the vocabulary of v2, as one generation. The facts of the conversion are those of Go's
 * internal/trace/tracev1.go, so that the events are the ones `go tool trace` shows.
 *
 * The whole trace must be in memory, for names and clock stand at its end. Besides its bytes, memory goes to the places of its strings
 * and stacks and to the system calls that blocked, not to its events: those are merged twice, once to learn when system calls ended and once to be told.
 */
export class V1Player {
  exhausted = false
  /** Number of events whose stack is missing. Stacks are written last, so that a trace that was cut off lacks some. */
  readonly stackless: number
  private place = -1
  private readonly names: V1Tables
  private readonly sequence: V1Sequence
  private readonly check: V1Check
  private readonly firstTicks: number
  private readonly nsPerTick: number
  private readonly blocked: { has(call: number): boolean }
  private calls = 0
  /** Until the first Gomaxprocs, the trace lists what was there when it began. */
  private listing = true
  /** Goroutines listed of which nothing but their existence was said. */
  private readonly listed = new Set<number>()
  private readonly toTell: number[] = []
  private listedNs = 0
  private readonly procs = new V1Procs()
  private readonly annotations: V1Annotations
  private stopKind = ''
  /** `Ev` type of a second event that the one told last stands for, 0 = none. */
  private after = 0
  private afterLabel = 0

  /** @param zeroNs the trace's first event on the reader's axis @throws Broken */
  constructor(
    private readonly window: ByteWindow,
    tables: GenerationTables,
    index: V1Index,
    private readonly minor: number,
    private readonly zeroNs: number,
  ) {
    this.names = new V1Tables(tables, window, index)
    this.annotations = new V1Annotations(tables, this.names)
    const plan = survey(window, index, tables)
    this.stackless = plan.stackless
    this.sequence = new V1Sequence(window, index, plan)
    this.check = new V1Check(index.timerGoids)
    this.firstTicks = plan.firstTicks
    this.nsPerTick = 1e9 / index.ticksPerSecond
    this.blocked = plan.blocked
  }

  /** Where the event told or tried last stands. */
  get index(): number {
    return this.place
  }

  /** Overwrites the event with the next one; false at the end. @throws Broken */
  next(event: GoEvent): boolean {
    if (this.after !== 0) return this.tellAfter(event)
    for (;;) {
      const goid = this.toTell.pop()
      if (goid !== undefined) return this.tellListed(event, goid)
      const record = this.sequence.next()
      if (record === undefined) {
        this.exhausted = true
        return false
      }
      this.place = record.place
      this.check.happen(record)
      if (this.convert(record, event)) return true
    }
  }

  stop(): void {
    this.exhausted = true
  }

  /** Argument `i` of the event told last, where it stands at the same position as in v2: so do all that can be that large. */
  exactArg(i: number): bigint {
    const reader = new VarintReader(this.window.buf)
    reader.pos = this.place
    for (let skipped = 0; skipped <= i; skipped++) reader.read()
    return reader.readExact()
  }

  private convert(record: V1Record, event: GoEvent): boolean {
    const { type, p, goid, args } = record
    event.timeNs = Math.trunc((record.ticks - this.firstTicks) * this.nsPerTick) + this.zeroNs
    event.p = p
    event.goid = goid === 0 ? -1 : goid
    event.stackId = this.names.stackId(record.stackId)
    event.from = event.to = 0
    if (type === V1.ProcStart) this.procs.start(p, args[0]!)
    event.tid = type === V1.CPUSample ? -1 : (this.procs.thread(p) ?? -1)
    const conversion = conversions[type]
    if (conversion === undefined) return this.convertSpecial(record, event)
    if (this.listing && (type === V1.GoCreate || type === V1.GoStart || type === V1.GoStartLocal))
      return this.list(record, event)
    const [to, from, state, reason] = conversion
    event.type = to
    event.from = from
    event.to = state
    if (specs[to]!.argNames.length === 0) return true
    // The arguments of v2 are those of v1, then the stack.
    let count = 0
    if (reason !== undefined) event.args[count++] = this.names.textId(reason)
    else
      for (const own = v1NumberCount[type]! - 1 - v1HasStack[type]!; count < own; count++)
        event.args[count] = args[count]!
    if (type === V1.GoUnblockLocal || type === V1.GoStartLocal) event.args[count++] = 0
    event.args[count] = event.stackId
    return true
  }

  private convertSpecial(record: V1Record, event: GoEvent): boolean {
    const { type, args, goid } = record
    switch (type) {
      case V1.Gomaxprocs:
        return this.procsChange(record, event)
      case V1.ProcStart:
      case V1.ProcStop:
        return this.procs.turn(record, event)
      case V1.STWStart:
      case V1.STWDone:
        if (type === V1.STWStart) this.stopKind = this.names.stopKind(args[0]!, this.minor)
        event.type = type === V1.STWStart ? Ev.STWBegin : Ev.STWEnd
        event.name = this.stopKind
        event.args[0] = this.names.stopKindId(this.stopKind)
        return true
      case V1.GoStartLabel:
        event.type = Ev.GoStart
        event.tid = this.procs.thread(record.p) ?? 0
        setTransition(event, GoState.Runnable, GoState.Running, goid, args[1]!)
        this.after = Ev.GoLabel
        this.afterLabel = this.names.existing(args[2]!, record.place)
        return true
      case V1.GoSysCall:
        return this.syscall(record, event)
      case V1.GoWaiting:
        return this.status(record, event, GoState.Waiting)
      case V1.GoInSyscall:
        return this.status(record, event, GoState.Syscall)
      case V1.UserTaskCreate:
      case V1.UserTaskEnd:
      case V1.UserRegion:
      case V1.UserLog:
        this.annotations.convert(record, event)
        return true
      case V1.CPUSample:
        event.type = Ev.StackSample
        return true
      default:
        // A blocking system call has been told at its begin, and a futile wakeup has no counterpart.
        return false
    }
  }

  /** While the trace lists what was there: goroutines that are not waiting or running will be told as runnable at the end of the list. */
  private list(record: V1Record, event: GoEvent): boolean {
    if (record.type !== V1.GoCreate) return this.status(record, event, GoState.Running)
    this.listed.add(record.args[0]!)
    return false
  }

  /** The first Gomaxprocs ends the list and is not told, as in internal/trace. */
  private procsChange(record: V1Record, event: GoEvent): boolean {
    if (this.listing) {
      this.listing = false
      this.listedNs = event.timeNs
      for (const goid of [...this.listed].reverse()) this.toTell.push(goid)
      this.listed.clear()
      return false
    }
    event.type = Ev.ProcsChange
    event.args[0] = record.args[0]!
    event.args[1] = event.stackId
    return true
  }

  private tellListed(event: GoEvent, goid: number): boolean {
    event.type = Ev.GoStatus
    event.timeNs = this.listedNs
    event.tid = event.p = event.goid = -1
    event.stackId = 0
    setTransition(event, GoState.Undetermined, GoState.Runnable, goid, noneOnWire, GoState.Runnable)
    return true
  }

  private status(record: V1Record, event: GoEvent, status: number): boolean {
    const goid = record.args[0]!
    this.listed.delete(goid)
    event.type = Ev.GoStatus
    return setTransition(event, GoState.Undetermined, status, goid, noneOnWire, status)
  }

  /** One that does not block is a point in time for v1, and lasts 1 ns here. */
  private syscall(record: V1Record, event: GoEvent): boolean {
    event.type = Ev.GoSyscallBegin
    if (!this.blocked.has(this.calls++)) {
      this.after = Ev.GoSyscallEnd
      event.tid = this.procs.thread(record.p) ?? 0
    }
    return setTransition(event, GoState.Running, GoState.Syscall, 0, event.stackId)
  }

  private tellAfter(event: GoEvent): boolean {
    event.type = this.after
    event.stackId = 0
    if (this.after === Ev.GoSyscallEnd) {
      event.timeNs++
      event.from = GoState.Syscall
      event.to = GoState.Running
    } else {
      event.args[0] = this.afterLabel
      event.from = event.to = 0
    }
    this.after = 0
    return true
  }
}
