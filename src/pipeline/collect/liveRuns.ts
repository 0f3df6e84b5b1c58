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
  readonly status: GoTraceStatus
  readonly log: Log
}

const lookEveryMs = 250
/** A connection that is open and silent for so long is away, too: less than the `idle` after which the normalizer gives the track up. */
const openPatienceMs = 300_000

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

  constructor(private readonly options: LiveRunsOptions) {
    this.run = options.begin()
  }

  async shipPerf(text: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of text) await this.mutex.run(() => this.run.push('perf', chunk))
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

  private async pushGo(chunk: Uint8Array): Promise<void> {
    if (this.isAway) {
      // Up to Go 1.25 a generation is whole only when the next one begins: this one belongs to the time before.
      const endNs = generationSpan(chunk)?.endNs
      if (endNs !== undefined && endNs < this.readableMs * 1e6) return
      await this.comeBack(chunk)
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
    const { begin, perfOpening, log } = this.options
    log.info('the Go trace is back: a new run begins')
    await this.run.endAll()
    this.run = begin()
    this.isAway = false
    if (this.perfIsOver) await this.run.end('perf')
    else if (perfOpening !== undefined) await this.run.push('perf', await perfOpening())
    const { traceVersion } = this
    if (traceVersionOf(chunk) === undefined && traceVersion !== undefined)
      await this.run.push('gotrace', traceHeader(traceVersion))
  }
}

/** The clock of the traces, CLOCK_MONOTONIC, ms. */
function systemMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
