import type { ByteWindow } from '../bytes.js'
import type { GenerationTables } from '../generation.js'
import { Broken } from '../problems.js'
import { V1Merge } from './merge.js'
import type { V1Record } from './record.js'
import type { V1Index } from './scanner.js'
import { V1 } from './spec.js'

/** The end of a system call that had blocked, at the time it really ended. */
export interface SyscallExit {
  readonly ticks: number
  /** Position among the merged events. */
  readonly ordinal: number
  readonly goid: number
  readonly place: number
}

/** What must be known of the whole trace before its first event can be told. */
export interface V1Plan {
  /** Time of the first event. */
  readonly firstTicks: number
  /** By time. */
  readonly exits: readonly SyscallExit[]
  /** Which of the system calls, counted in order, block. */
  readonly blocked: BitSet
  /** Number of merged events that can be told: all, or those before `failure`. */
  readonly events: number
  readonly failure: Broken | undefined
  /** Number of events whose stack is missing. */
  readonly stackless: number
}

/** Merges the trace once, without keeping its events. */
export function survey(window: ByteWindow, index: V1Index, tables: GenerationTables): V1Plan {
  const surveyor = new Surveyor(tables)
  let failure: Broken | undefined
  try {
    const merge = new V1Merge(window, index)
    for (let record = merge.next(); record !== undefined; record = merge.next()) surveyor.see(record)
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    failure = error
  }
  return surveyor.plan(failure)
}

class Surveyor {
  private readonly exits: SyscallExit[] = []
  private readonly blocked = new BitSet()
  private readonly blockedSince = new Map<number, number>()
  /** Goroutines whose last event was a system call, and its number. */
  private readonly calling = new Map<number, number>()
  private calls = 0
  private firstTicks = 0
  private lastTicks = Number.NEGATIVE_INFINITY
  private events = 0
  private stackless = 0

  constructor(private readonly tables: GenerationTables) {}

  /** @throws Broken */
  see(record: V1Record): void {
    const { ticks, goid, type } = record
    if (this.events === 0) this.firstTicks = ticks
    if (ticks < this.lastTicks) throw backwards(record)
    this.lastTicks = ticks
    if (this.calling.size > 0) this.endCall(goid, type)
    if (type === V1.GoSysCall) this.calling.set(goid, this.calls++)
    else if (type === V1.GoSysBlock || type === V1.GoInSyscall) this.blockedSince.set(goid, ticks)
    else if (type === V1.GoSysExit) this.exit(record, record.args[2]!)
    else if (type === V1.GoSysExitLocal) this.exit(record, record.args[1]!)
    const newStack = type === V1.GoCreate ? record.args[1]! : 0
    if (!this.tables.hasStack(record.stackId) || !this.tables.hasStack(newStack)) this.stackless++
    this.events++
  }

  plan(failure: Broken | undefined): V1Plan {
    const { firstTicks, exits, blocked, events, stackless } = this
    exits.sort((a, b) => a.ticks - b.ticks || a.ordinal - b.ordinal)
    return { firstTicks, exits, blocked, events, failure, stackless }
  }

  /** A system call blocks when the very next event on its goroutine says so: as Go's tool sees it, also when that is a CPU sample. */
  private endCall(goid: number, type: number): void {
    const call = this.calling.get(goid)
    if (call === undefined) return
    if (type === V1.GoSysBlock) this.blocked.add(call)
    this.calling.delete(goid)
  }

  /** The event is written when the goroutine has found a P again; `ticks`, if not 0, is when the call returned. */
  private exit(record: V1Record, ticks: number): void {
    const { goid, place } = record
    if (ticks !== 0) {
      const since = this.blockedSince.get(goid)
      if (since === undefined)
        throw new Broken('bad_order', `goroutine ${goid} exits a system call it was not in`, place)
      if (ticks < since) throw backwards(record)
    }
    this.blockedSince.delete(goid)
    this.exits.push({ ticks: ticks === 0 ? record.ticks : ticks, ordinal: this.events, goid, place })
  }
}

function backwards(record: V1Record): Broken {
  return new Broken('bad_order', 'time runs backwards, the clocks of the CPUs disagreed', record.place)
}

/** A set of small numbers. */
class BitSet {
  private bits = new Uint8Array(1024)

  add(i: number): void {
    const at = i >> 3
    if (at >= this.bits.length) {
      const grown = new Uint8Array(at * 2)
      grown.set(this.bits)
      this.bits = grown
    }
    this.bits[at]! |= 1 << (i & 7)
  }

  has(i: number): boolean {
    return ((this.bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0
  }
}
