import { setTimeout as sleep } from 'node:timers/promises'
import { detailLine, lostRecordText, type PerfDetail, RecordGate, threadLine } from '../perf/index.js'
import { isAborted } from './aborted.js'
import { type LivePerf, openLivePerf } from './livePerf.js'
import { LostCounter } from './lostCounter.js'
import { PerfOpening } from './perfOpening.js'
import { mayMissThreads } from './perfRecorder.js'
import { prefetch } from './prefetch.js'
import { threadNames } from './proc.js'
import { ThreadWatch } from './threadWatch.js'

export interface PerfStreamOptions {
  readonly pid: number
  readonly frequencyHz: number
  readonly syscalls: readonly string[]
  readonly bufferBytes: number
  /** A perf is replaced by a fresh one after so long. */
  readonly rotateEveryMs: number
  /** Ends the stream; what perf has by then still comes. */
  readonly signal: AbortSignal
  /** One sentence for the log. */
  readonly note: (text: string) => void
}

/** What has happened so far. */
export interface PerfStreamCounts {
  /** Fresh perfs that took over without a hole. */
  rotations: number
  /** Times perf ended by itself and was started again, with a hole. */
  restarts: number
  /** Times perf could not be started. */
  failedStarts: number
  /** Events lost as perf counts them, and one for every hole and every second of it. */
  lostEvents: number
}

interface Session {
  readonly detail: PerfDetail
  readonly perf: LivePerf
  gate: RecordGate
  readonly chunks: AsyncIterable<Uint8Array>
  readonly startedMs: number
  /** Aborted when its text is over. */
  readonly over: AbortController
  /** It ended without having been told to. */
  died: boolean
  stopping: boolean
}

const firstPauseMs = 500
const longestPauseMs = 60_000
/** While there is no perf, the text says so often that there is a hole: what waits for it goes on. */
const holeEveryMs = 1000
/** A perf that ran for so long was fine: the next failure is a first one. */
const provenMs = 60_000
/** Wait before both are renewed when the system-wide one has ended alone. */
const renewAfterMs = 5000
const commsEveryMs = 30_000
/** Attaching again because threads started meanwhile: so often at most in a row. */
const attachAttempts = 5
/** Both perfs record for so long, that there is a moment in which nothing happens. */
const seamMs = 5
/** Text of a fresh perf that may wait until the old one is read to its end. */
const seamBytes = 32 << 20

/**
 * perf's text of one process for as long as it lives, over as many perfs as it takes. A fresh one is attached before the old one is stopped:
 * the text passes from one to the other where nothing happens. When perf fails it is started again, after growing pauses; LOST records stand
 * where the hole is, so that nothing is taken for known there, and nothing waits for what will not come.
 */
export class PerfStream {
  readonly counts: PerfStreamCounts = { rotations: 0, restarts: 0, failedStarts: 0, lostEvents: 0 }
  private readonly lost = new LostCounter()
  private readonly live = new Set<LivePerf>()
  private level: PerfDetail = 'full'
  /** What the text says of itself so far. */
  private told: PerfDetail = 'full'
  private attachesInARow = 0
  private lastPauseMs = 0
  private wanted = new AbortController()
  private readonly watch: ThreadWatch
  private readonly opening = new PerfOpening()
  private isOver = false

  constructor(private readonly options: PerfStreamOptions) {
    this.watch = new ThreadWatch(options.pid, options.signal)
  }

  get detail(): PerfDetail {
    return this.level
  }

  /** Records more or less from now on, through a fresh perf. */
  setDetail(detail: PerfDetail): void {
    if (detail === this.level) return
    this.level = detail
    this.wanted.abort()
  }

  /** Processes of perf that run now. */
  get pids(): readonly number[] {
    return [...this.live].flatMap(({ pids }) => pids)
  }

  /** The text, from now on; only once. A chunk is valid until the next one is asked for. */
  async *text(): AsyncIterable<Uint8Array> {
    try {
      yield* this.sessions()
    } finally {
      this.isOver = true
      for (const perf of this.live) perf.drop()
    }
  }

  /** What a text that begins with the chunk that comes next lacks, to stand before it. */
  async openingText(): Promise<Buffer> {
    const { opening, options, watch, told } = this
    return opening.text(options.pid, told, await watch.all())
  }

  private async *sessions(): AsyncIterable<Uint8Array> {
    let session = yield* this.openPatiently()
    while (session !== undefined) {
      const current: Session = session
      if (this.told !== current.detail) yield this.counted(Buffer.from(detailLine(current.detail)))
      this.told = current.detail
      const successor = this.successor(current)
      yield* this.drain(current)
      current.over.abort()
      session = await successor
      const { closedNs } = current.gate
      if (session !== undefined && closedNs !== undefined) session.gate = gateFrom(closedNs)
      if (session !== undefined && !current.died) continue
      const lastNs = current.gate.lastNs ?? current.perf.attachedNs
      if (session !== undefined) yield this.hole(lastNs)
      else session = yield* this.openPatiently({ startedMs: current.startedMs, lastNs })
      if (session !== undefined) this.counts.restarts++
    }
  }

  private async *drain({ perf, gate, chunks }: Session): AsyncIterable<Uint8Array> {
    const stop = () => void perf.stop().catch(() => undefined)
    this.options.signal.addEventListener('abort', stop)
    if (this.options.signal.aborted) stop()
    this.opening.begin()
    try {
      for await (const chunk of chunks) {
        const through = gate.push(chunk)
        if (through.length === 0) continue
        this.opening.see(through)
        yield* this.newThreads()
        yield this.counted(through)
      }
    } catch (error) {
      this.options.note(`perf failed: ${(error as Error).message}`)
    } finally {
      this.options.signal.removeEventListener('abort', stop)
      await perf.stop().catch(() => undefined)
      this.live.delete(perf)
    }
    const rest = gate.end()
    if (rest.length > 0) yield this.counted(rest)
  }

  /** Lines that tell of threads in another pid namespace, to stand before what perf says of them. */
  private *newThreads(): Iterable<Buffer> {
    const lines = this.watch.take().map(([outside, inside]) => threadLine(outside, inside))
    if (lines.length > 0) yield this.counted(Buffer.from(lines.join('')))
  }

  private counted(text: Buffer): Buffer {
    this.lost.push(text)
    this.counts.lostEvents = this.lost.lostEvents
    return text
  }

  /** The perf that takes over from this one, when it is time; undefined when this one ends before that. */
  private async successor(session: Session): Promise<Session | undefined> {
    for (let pauseMs = firstPauseMs; await this.rotationDue(session); pauseMs = longer(pauseMs)) {
      try {
        const detail = this.level
        const next = await this.open(detail)
        // Nothing of later than this has been read from the old one, and the fresh one has all of it.
        session.gate.closeAfter(process.hrtime.bigint())
        session.stopping = true
        await sleep(seamMs)
        void session.perf.stop().catch(() => undefined)
        this.counts.rotations++
        return this.begin(next, detail)
      } catch (error) {
        this.counts.failedStarts++
        this.options.note(`perf could not be renewed, the old one goes on: ${(error as Error).message}`)
        await sleep(pauseMs, undefined, { signal: session.over.signal }).catch(() => undefined)
      }
    }
    return undefined
  }

  /** Resolves with true when a fresh perf is wanted, false when the text of this one is over before that. */
  private async rotationDue(session: Session): Promise<boolean> {
    const { over, perf } = session
    const { signal } = this.options
    const untilMs = session.startedMs + this.options.rotateEveryMs
    while (!over.signal.aborted && !signal.aborted) {
      const { aborted: isWanted } = this.wanted.signal
      if (isWanted || Date.now() >= untilMs || (await this.hasNewNames(perf))) {
        this.wanted = new AbortController()
        return true
      }
      const waitMs = Math.max(0, Math.min(commsEveryMs, untilMs - Date.now()))
      const ends = AbortSignal.any([over.signal, signal, this.wanted.signal])
      await sleep(waitMs, undefined, { signal: ends }).catch(() => undefined)
    }
    return false
  }

  /** The system-wide perf knows threads by their names only. */
  private async hasNewNames({ comms }: LivePerf): Promise<boolean> {
    return (await threadNames(this.options.pid)).some((name) => !comms.includes(name))
  }

  /** @param failed the perf before, and the time of its last record */
  private async *openPatiently(failed?: {
    startedMs: number
    lastNs: bigint
  }): AsyncGenerator<Buffer, Session | undefined> {
    const { signal, note } = this.options
    const wasProven = failed === undefined || Date.now() - failed.startedMs > provenMs
    let pauseMs = wasProven ? firstPauseMs : longer(this.lastPauseMs)
    let holeNs = failed?.lastNs
    for (let isFirst = failed === undefined; ; isFirst = false) {
      for (let leftMs = isFirst ? 0 : pauseMs; leftMs > 0; leftMs -= holeEveryMs) {
        await sleep(Math.min(holeEveryMs, leftMs), undefined, { signal }).catch(() => undefined)
        if (isAborted(signal)) return undefined
        yield this.hole(holeNs ?? process.hrtime.bigint())
        holeNs = undefined
      }
      if (signal.aborted) return undefined
      if (!isFirst) this.lastPauseMs = pauseMs
      try {
        const detail = this.level
        const perf = await this.open(detail)
        return this.begin(perf, detail)
      } catch (error) {
        this.counts.failedStarts++
        if (!isFirst) pauseMs = longer(pauseMs)
        note(`perf does not start, trying again in ${pauseMs / 1000} s: ${(error as Error).message}`)
      }
    }
  }

  /** Up to this instant nothing is known any more. */
  private hole(atNs: bigint): Buffer {
    return this.counted(lostRecordText(atNs, 1))
  }

  private open(detail: PerfDetail): Promise<LivePerf> {
    const { pid, frequencyHz, bufferBytes } = this.options
    const stacks = detail === 'full'
    const syscalls = detail === 'noSyscalls' ? [] : this.options.syscalls
    return openLivePerf({ pid, frequencyHz, bufferBytes, stacks, syscalls })
  }

  private begin(perf: LivePerf, detail: PerfDetail): Session {
    for (const note of perf.notes) this.options.note(note)
    this.live.add(perf)
    // Whoever read has gone while it started.
    if (this.isOver) perf.drop()
    const session: Session = {
      detail,
      perf,
      gate: gateFrom(perf.attachedNs),
      chunks: prefetch(perf.text, seamBytes),
      startedMs: Date.now(),
      over: new AbortController(),
      died: false,
      stopping: false,
    }
    perf.ended.then(
      () => (session.died = !session.stopping && !this.options.signal.aborted),
      () => (session.died = true),
    )
    const renew = () => this.renewWithoutWakeups(session)
    perf.wakeupsEnded.then(renew, renew)
    this.seeNewThreads(perf)
    return session
  }

  private async renewWithoutWakeups(session: Session): Promise<void> {
    const ends = AbortSignal.any([session.over.signal, this.options.signal])
    await sleep(renewAfterMs, undefined, { signal: ends }).catch(() => undefined)
    if (!session.stopping && !ends.aborted) this.wanted.abort()
  }

  /** A thread made by one that perf had not reached yet is recorded by nobody; a perf attached now has it. */
  private seeNewThreads({ startedMeanwhile }: LivePerf): void {
    this.attachesInARow = startedMeanwhile === 0 ? 0 : this.attachesInARow + 1
    if (startedMeanwhile === 0) return
    if (this.attachesInARow < attachAttempts) this.wanted.abort()
    else {
      this.attachesInARow = 0
      this.options.note(mayMissThreads(startedMeanwhile))
    }
  }
}

function gateFrom(fromNs: bigint): RecordGate {
  return new RecordGate(fromNs, 0n, true)
}

function longer(pauseMs: number): number {
  return Math.min(longestPauseMs, Math.max(firstPauseMs, pauseMs * 2))
}
