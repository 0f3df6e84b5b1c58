import type { GoEvent } from '../event.js'
import type { GenerationTables } from '../generation.js'
import { Broken } from '../problems.js'
import { GoState, ProcStatus } from '../states.js'

/** A stop-the-world that is going on: its kind is a string of the generation it began in. */
export interface Pause {
  readonly gen: number
  readonly kindId: number
  readonly kind: string
}

export class Goroutine {
  status: number = GoState.NotExist
  /** Sequence number of the last change of state, valid within `seqGen`. */
  seq = 0
  seqGen = 0
  assisting = false
  pauses: Pause[] | undefined = undefined
  constructor(readonly goid: number) {}
}

export class Proc {
  status: number = ProcStatus.Idle
  seq = 0
  seqGen = 0
  sweeping = false
  constructor(readonly p: number) {}
}

/** Stand-ins for "none", so that the hot paths need no test for null. */
export const noGoroutine = new Goroutine(-1)
export const noProc = new Proc(-1)

export class Thread {
  p = noProc
  g = noGoroutine
  constructor(readonly tid: number) {}
}

/** A second or third event that one event of the trace stands for. */
export interface Extra {
  type: number
  p: number
  goid: number
  arg0: number
  arg1: number
  from: number
  to: number
}

export const GcState = { Undetermined: 0, NotRunning: 1, Running: 2 } as const

interface Task {
  readonly name: string
  readonly parent: number
}

/** Plain data, structured-cloneable; valid between generations. */
export interface OrderState {
  firstGen: number
  goroutines: { goid: number; status: number; assisting: boolean; pauses: Pause[] }[]
  procs: { p: number; status: number; sweeping: boolean }[]
  threads: { tid: number; p: number; goid: number }[]
  tasks: [id: number, task: Task][]
  gcSeq: number
  gcState: number
}

const recentSlots = 4096

// Taken out of its table because this is hot: the engine folds constants of the same file, but not those it imports.
const running = GoState.Running

/** What is known of every goroutine, P and thread: the scheduler's state as the events so far tell it. */
export class Order {
  gen = 0
  firstGen = 0
  gcSeq = 0
  gcState: number = GcState.Undetermined
  readonly procs = new Map<number, Proc>()
  readonly threads = new Map<number, Thread>()
  readonly tasks = new Map<number, Task>()
  readonly extras: Extra[] = [0, 1].map(() => ({ type: 0, p: 0, goid: 0, arg0: 0, arg1: 0, from: 0, to: 0 }))
  extraCount = 0
  private extraAt = 0
  private readonly goroutines = new Map<number, Goroutine>()
  /** Direct-mapped cache before the map: the same few thousand goroutines are asked for again and again. */
  private readonly recent: Goroutine[] = Array.from({ length: recentSlots }, () => noGoroutine)

  constructor(readonly tables: GenerationTables) {}

  get inFirstGen(): boolean {
    return this.gen === this.firstGen
  }

  beginGeneration(gen: number): void {
    this.gen = asInteger(gen)
    if (this.firstGen === 0) this.firstGen = this.gen
    // The trace does not tell when a thread ends. One that has nothing is like one that is new.
    for (const { tid, p, g } of this.threads.values()) if (p === noProc && g === noGoroutine) this.threads.delete(tid)
  }

  /** Undefined when there is no such goroutine. */
  goroutine(goid: number): Goroutine | undefined {
    const slot = goid & (recentSlots - 1)
    const recent = this.recent[slot]!
    if (recent.goid === goid) return recent
    const found = this.goroutines.get(goid)
    if (found !== undefined) this.recent[slot] = found
    return found
  }

  addGoroutine(goid: number, status: number): Goroutine {
    const goroutine = new Goroutine(asInteger(goid))
    goroutine.status = status
    goroutine.seqGen = this.gen
    this.goroutines.set(goid, goroutine)
    this.recent[goid & (recentSlots - 1)] = goroutine
    return goroutine
  }

  removeGoroutine(goroutine: Goroutine): void {
    const slot = goroutine.goid & (recentSlots - 1)
    goroutine.status = GoState.NotExist
    this.goroutines.delete(goroutine.goid)
    if (this.recent[slot] === goroutine) this.recent[slot] = noGoroutine
  }

  thread(tid: number): Thread {
    let thread = this.threads.get(tid)
    if (thread === undefined) {
      thread = new Thread(asInteger(tid))
      if (tid !== -1) this.threads.set(tid, thread)
    }
    return thread
  }

  /** Whether (this generation, seq) directly follows the last sequence number of a goroutine or P. */
  follows(resource: Goroutine | Proc, seq: number): boolean {
    return resource.seqGen === this.gen && ((resource.seq + 1) | 0) === seq
  }

  extra(type: number, p: number, goid: number, arg0: number, arg1: number, from: number, to: number): void {
    Object.assign(this.extras[this.extraCount++]!, { type, p, goid, arg0, arg1, from, to })
  }

  /** Tells the next of the further events that the event before stands for; same time, same thread. */
  tellExtra(event: GoEvent): boolean {
    const extra = this.extras[this.extraAt++]!
    if (this.extraAt === this.extraCount) this.dropExtras()
    event.type = extra.type
    event.p = extra.p
    event.goid = extra.goid
    event.args[0] = extra.arg0
    event.args[1] = extra.arg1
    event.stackId = 0
    event.from = extra.from
    event.to = extra.to
    return true
  }

  dropExtras(): void {
    this.extraCount = this.extraAt = 0
  }

  /** Forgets everything, as before the first generation of a trace. */
  reset(): void {
    this.firstGen = 0
    this.gcSeq = 0
    this.gcState = GcState.Undetermined
    this.dropExtras()
    for (const map of [this.procs, this.threads, this.tasks, this.goroutines]) map.clear()
    this.recent.fill(noGoroutine)
  }

  save(): OrderState {
    return {
      firstGen: this.firstGen,
      goroutines: Array.from(this.goroutines.values(), ({ goid, status, assisting, pauses }) => ({
        goid,
        status,
        assisting,
        pauses: [...(pauses ?? [])],
      })),
      procs: Array.from(this.procs.values(), ({ p, status, sweeping }) => ({ p, status, sweeping })),
      threads: Array.from(this.threads.values(), ({ tid, p, g }) => ({ tid, p: p.p, goid: g.goid })),
      tasks: [...this.tasks],
      gcSeq: this.gcSeq,
      gcState: this.gcState,
    }
  }

  /** Sequence numbers are not restored: every generation states them anew. */
  load(state: OrderState): void {
    this.reset()
    this.firstGen = state.firstGen
    this.gcSeq = state.gcSeq
    this.gcState = state.gcState
    for (const { goid, status, assisting, pauses } of state.goroutines)
      Object.assign(this.addGoroutine(goid, status), { assisting, pauses: pauses.length > 0 ? [...pauses] : undefined })
    for (const { p, status, sweeping } of state.procs)
      this.procs.set(p, Object.assign(new Proc(p), { status, sweeping }))
    for (const { tid, p, goid } of state.threads)
      Object.assign(this.thread(tid), { p: this.procs.get(p) ?? noProc, g: this.goroutine(goid) ?? noGoroutine })
    for (const [id, task] of state.tasks) this.tasks.set(id, task)
  }
}

/**
 * Arguments arrive as float64. Where they are kept, small ones are kept as the engine's integers: without a box, and cheaper to compare.
 * (Sequence numbers are kept modulo 2^32, which is enough to know the next one.)
 */
export function asInteger(value: number): number {
  const small = value | 0
  return small === value ? small : value
}

/** Contradiction in the order of events: the trace is corrupt or lacks bytes. */
export function broken(detail: string): never {
  throw new Broken('bad_order', detail)
}

export function needThread(thread: Thread, what: string): void {
  if (thread.tid === -1) broken(`${what} stands outside any thread`)
}

export function needProc(thread: Thread, what: string): void {
  if (thread.tid === -1 || thread.p === noProc) broken(`${what} on thread ${thread.tid}, which has no P`)
}

/** The thread must be executing Go code: it has a P and a goroutine. */
export function needUser(thread: Thread, what: string): void {
  if (thread.g === noGoroutine || thread.p === noProc || thread.tid === -1)
    broken(`${what} on thread ${thread.tid}, which runs no goroutine`)
}

export function needRunning(thread: Thread, what: string): void {
  needUser(thread, what)
  if (thread.g.status !== running) broken(`${what} of goroutine ${thread.g.goid}, which is not running`)
}
