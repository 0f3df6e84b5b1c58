import { Broken } from '../problems.js'
import type { V1Record } from './record.js'
import { fakeP, V1, v1Names } from './spec.js'

const State = { runnable: 1, running: 2, waiting: 3, dead: 4 } as const

interface Goroutine {
  state: number
  onNetwork: boolean
  assisting: boolean
}

interface Proc {
  running: boolean
  sweeping: boolean
  goid: number
}

/** What becomes of the goroutine that leaves its P with an event. */
const leaving: ReadonlyMap<number, number> = new Map<number, number>([
  [V1.GoEnd, State.dead],
  [V1.GoStop, State.dead],
  [V1.GoSched, State.runnable],
  [V1.GoPreempt, State.runnable],
  ...[V1.GoSysBlock, V1.GoSleep, V1.GoBlock, V1.GoBlockSend, V1.GoBlockRecv].map(
    (type) => [type, State.waiting] as const,
  ),
  ...[V1.GoBlockSelect, V1.GoBlockSync, V1.GoBlockCond].map((type) => [type, State.waiting] as const),
  ...[V1.GoBlockNet, V1.GoBlockGC].map((type) => [type, State.waiting] as const),
])

/**
 * The scheduler's state as the events tell it, in their final order: refuses what cannot have happened. Also finds out which unblocks are the
 * network poller's, which the format does not say.
 */
export class V1Check {
  private readonly goroutines = new Map<number, Goroutine>([
    [0, { state: State.running, onNetwork: false, assisting: false }],
  ])
  private readonly procs = new Map<number, Proc>()
  private collecting = false
  private stopped = false

  constructor(private readonly timerGoids: ReadonlySet<number>) {}

  /** Moves events that no P is the cause of to their fake P. @throws Broken */
  happen(record: V1Record): void {
    const { type, goid } = record
    const proc = this.proc(record.p)
    const to = leaving.get(type)
    if (to !== undefined) return this.leave(record, proc, to)
    switch (type) {
      case V1.ProcStart:
        need(!proc.running, record, `P ${record.p} runs already`)
        proc.running = true
        return
      case V1.ProcStop:
        need(proc.running && proc.goid === 0, record, `P ${record.p} does not run, or still runs a goroutine`)
        proc.running = false
        return
      case V1.GCStart:
      case V1.GCDone:
        need(this.collecting === (type === V1.GCDone), record, 'garbage collections overlap')
        this.collecting = type === V1.GCStart
        if (this.collecting) record.p = fakeP.gc
        return
      case V1.STWStart:
      case V1.STWDone:
        need(this.stopped === (type === V1.STWDone), record, 'stops of the world overlap')
        this.stopped = type === V1.STWStart
        return
      case V1.GCSweepStart:
      case V1.GCSweepDone:
        need(proc.sweeping === (type === V1.GCSweepDone), record, `sweeps of P ${record.p} overlap`)
        proc.sweeping = type === V1.GCSweepStart
        return
      case V1.GCMarkAssistStart:
      case V1.GCMarkAssistDone:
        return this.assist(record)
      case V1.GoCreate:
        this.needRunning(record, proc)
        need(!this.goroutines.has(record.args[0]!), record, `goroutine ${record.args[0]!} exists already`)
        this.goroutines.set(record.args[0]!, { state: State.runnable, onNetwork: false, assisting: false })
        return
      case V1.GoWaiting:
      case V1.GoInSyscall:
        return this.move(record, goid, State.runnable, State.waiting)
      case V1.GoStart:
      case V1.GoStartLocal:
      case V1.GoStartLabel:
        need(proc.goid === 0, record, `P ${record.p} still runs goroutine ${proc.goid}`)
        proc.goid = goid
        return this.move(record, goid, State.runnable, State.running)
      case V1.GoUnblock:
      case V1.GoUnblockLocal:
        return this.unblock(record, proc)
      case V1.GoSysCall:
        need(goid !== 0, record, 'no goroutine is there')
        return this.needRunning(record, proc)
      case V1.GoSysExit:
        return this.move(record, goid, State.waiting, State.runnable)
    }
  }

  private leave(record: V1Record, proc: Proc, to: number): void {
    const { goid, type } = record
    need(goid !== 0, record, 'no goroutine is there')
    this.needRunning(record, proc)
    proc.goid = 0
    if (type === V1.GoEnd) {
      this.goroutines.delete(goid)
      return
    }
    this.move(record, goid, State.running, to)
    this.goroutines.get(goid)!.onNetwork = type === V1.GoBlockNet
  }

  private unblock(record: V1Record, proc: Proc): void {
    const { goid } = record
    const byTimer = this.timerGoids.has(goid)
    need(this.goroutines.get(goid)?.state === State.running, record, `goroutine ${goid} does not run`)
    need(byTimer || proc.goid === goid, record, `P ${record.p} does not run goroutine ${goid}`)
    const target = record.args[0]!
    const wasOnNetwork = this.goroutines.get(target)?.onNetwork ?? false
    this.move(record, target, State.waiting, State.runnable)
    if (wasOnNetwork) record.p = fakeP.netpoll
    else if (byTimer) record.p = fakeP.timer
  }

  /** An assist that was going on when the trace began ends without a begin. */
  private assist(record: V1Record): void {
    const goroutine = this.goroutines.get(record.goid)
    if (goroutine === undefined) return
    const begins = record.type === V1.GCMarkAssistStart
    need(!(begins && goroutine.assisting), record, `mark assists of goroutine ${record.goid} overlap`)
    goroutine.assisting = begins
  }

  private move(record: V1Record, goid: number, from: number, to: number): void {
    const goroutine = this.goroutines.get(goid)
    need(goroutine?.state === from, record, `goroutine ${goid} is in another state`)
    goroutine!.state = to
    goroutine!.onNetwork = false
  }

  private needRunning(record: V1Record, proc: Proc): void {
    const { goid } = record
    need(this.goroutines.get(goid)?.state === State.running, record, `goroutine ${goid} does not run`)
    need(proc.goid === goid, record, `P ${record.p} does not run goroutine ${goid}`)
  }

  private proc(p: number): Proc {
    let proc = this.procs.get(p)
    if (proc === undefined) this.procs.set(p, (proc = { running: false, sweeping: false, goid: 0 }))
    return proc
  }
}

function need(holds: boolean, record: V1Record, otherwise: string): void {
  if (!holds) throw new Broken('bad_order', `${v1Names[record.type]!} is impossible, ${otherwise}`, record.place)
}
