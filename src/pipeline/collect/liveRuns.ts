import { generationSpan, traceHeader, traceVersionOf } from '../../gotrace/index.js'
import type { Track } from '../../transport/envelope.js'
import type { Log } from '../log.js'
import { Mutex } from '../mutex.js'
import type { ShippedRun } from './shippedRun.js'
import type { GoTraceStatus } from './status.js'

export interface LiveRunsOptions {
  readonly begin: () => ShippedRun
  /** What perf's text of a later run begins with; undefined: there is no perf. */
  readonly perfOpening: (() => Promise<Uint8Array>) | undefined
  /** A Go source of which nothing comes for so long is away. */
  readonly awayAfterMs: number
  /** Since when Kafka has not taken what is being sent, on the clock of `performance.now()`; undefined while nothing is. */
  readonly stalledSinceMs: () => number | undefined
  /** Kafka takes nothing for so long: a new run begins. */
  readonly cutOffAfterMs?: number
  readonly status: GoTraceStatus
  readonly log: Log
}

const lookEveryMs = 250
/** A connection that is open and silent for so long is away, too: less than the `idle` after which the normalizer gives the track up. */
const openPatienceMs = 300_000
/** As long as brokers may take to start again. What a run says after `idle` comes too late, so as little of it as possible is left to come. */
const defaultCutOffAfterMs = 60_000

/**
 * Ships both tracks of a process as they come. When the Go source is away, its half of the run ends: the kernel's half would wait for it. When
 * it is back a new run begins, of both, at one place in perf's text: what has ended cannot go on.
 */
export class LiveRuns {
  private run: ShippedRun
  /** Bytes come one after the other, and none while one run passes to the next. */
  private readonly mutex = new Mutex()
  private perfIsOver = false
  private isAway = false
  private bytesMs = systemMs()
  /** When bytes of the Go source last came, or could have. */
  private readableMs = systemMs()
  private traceVersion: string | undefined
  /** When that outage of Kafka began for which a new run has begun. */
  private renewedForMs: number | undefined

  constructor(private readonly options: LiveRunsOptions) {
    this.run = options.begin()
  }

  async shipPerf(text: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of text) await this.mutex.run(() => this.pushPerf(chunk))
    } finally {
      this.perfIsOver = true
      await this.end('perf')
    }
  }

  async shipGo(trace: AsyncIterable<Uint8Array>): Promise<void> {
    const looking = setInterval(() => void this.mutex.run(() => this.look()), lookEveryMs)
    try {
      for await (const chunk of trace) await this.mutex.run(() => this.pushGo(chunk))
    } finally {
      clearInterval(looking)
      await this.end('gotrace')
    }
  }

  private end(track: Track): Promise<void> {
    return this.mutex.run(() => this.run.end(track))
  }

  private async pushPerf(chunk: Uint8Array): Promise<void> {
    // Otherwise both pass to a new run where a generation begins.
    if (this.run.isEnded('gotrace') && this.isCutOff()) {
      await this.renew()
      await this.run.end('gotrace')
    }
    await this.run.push('perf', chunk)
  }

  private async pushGo(chunk: Uint8Array): Promise<void> {
    if (this.isAway) {
      // Up to Go 1.25 a generation is whole only when the next one begins: this one belongs to the time before.
      const endNs = generationSpan(chunk)?.endNs
      if (endNs !== undefined && endNs < this.readableMs * 1e6) return
      await this.comeBack(chunk)
    } else if (this.isCutOff()) {
      await this.renew()
      await this.pushTraceHeader(chunk)
    }
    this.bytesMs = this.readableMs = systemMs()
    this.traceVersion = traceVersionOf(chunk) ?? this.traceVersion
    await this.run.push('gotrace', chunk)
  }

  private async look(): Promise<void> {
    const { awayAfterMs, status, log } = this.options
    const nowMs = systemMs()
    if (status.isOpen && !this.isAway) this.readableMs = nowMs
    if (this.isAway || (nowMs - this.readableMs < awayAfterMs && nowMs - this.bytesMs < openPatienceMs)) return
    this.isAway = true
    status.absences++
    log.warn({ forMs: Math.round(nowMs - this.bytesMs) }, 'nothing comes of the Go trace: this run goes on without it')
    await this.run.end('gotrace')
  }

  private async comeBack(chunk: Uint8Array): Promise<void> {
    this.options.log.info('the Go trace is back: a new run begins')
    await this.renew()
    this.isAway = false
    await this.pushTraceHeader(chunk)
  }

  /** Whether Kafka has taken nothing for so long that what comes now belongs to another run. Once in an outage. */
  private isCutOff(): boolean {
    const { stalledSinceMs, cutOffAfterMs = defaultCutOffAfterMs, log } = this.options
    const sinceMs = stalledSinceMs()
    if (sinceMs === undefined || sinceMs === this.renewedForMs || performance.now() - sinceMs < cutOffAfterMs)
      return false
    this.renewedForMs = sinceMs
    log.warn('Kafka takes nothing: a new run begins, which will be of use however late it comes')
    return true
  }

  /** Ends the run, and begins another one at one place in perf's text. */
  private async renew(): Promise<void> {
    const { begin, perfOpening } = this.options
    await this.run.endAll()
    this.run = begin()
    if (this.perfIsOver) await this.run.end('perf')
    else if (perfOpening !== undefined) await this.run.push('perf', await perfOpening())
  }

  /** To stand before the first generation of a run, unless it begins with one. */
  private async pushTraceHeader(chunk: Uint8Array): Promise<void> {
    const { traceVersion } = this
    if (traceVersionOf(chunk) === undefined && traceVersion !== undefined)
      await this.run.push('gotrace', traceHeader(traceVersion))
  }
}

/** The clock of the traces, CLOCK_MONOTONIC, ms. */
function systemMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
