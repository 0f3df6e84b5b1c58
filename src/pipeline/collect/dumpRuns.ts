import {
  type Generation,
  generationSpan,
  GenerationSplitter,
  traceHeader,
  traceVersionOf,
} from '../../gotrace/index.js'
import { lostRecordText } from '../../perf/index.js'
import type { Log } from '../log.js'
import { monotonicMs } from '../monotonic.js'
import { Mutex } from '../mutex.js'
import type { PerfMemory } from './perfMemory.js'
import type { ShippedRun } from './shippedRun.js'
import type { InputStatus } from './status.js'
import { bytesOfFile, type TraceFile } from './traceFiles.js'

export interface DumpRunsOptions {
  readonly begin: () => ShippedRun
  /** What perf's text of a run begins with, and what is known of the rest; undefined: there is no perf. */
  readonly perf: { readonly opening: () => Promise<Uint8Array>; readonly memory: PerfMemory } | undefined
  /** For how long a dump may still come that overlaps one that ended at this instant of CLOCK_MONOTONIC, ns. */
  readonly openForMs: (toNs: bigint) => number
  /** Generations that were over before this are left out: ns on CLOCK_MONOTONIC. */
  readonly sinceNs: number
  readonly status: Pick<InputStatus, 'gotrace' | 'perf'>
  readonly log: Log
}

interface OpenRun {
  readonly run: ShippedRun
  /** perf's text is wanted from here on, up to the end of the last dump; ns on CLOCK_MONOTONIC, as all that follows. */
  textFromNs: bigint
  textToNs: bigint
  /** When the run is over unless another dump comes; on the monotonic clock. */
  untilMs: number
}

const lookEveryMs = 250
/** perf's text begins so much before the trace: it is known then which thread is where when the trace begins. */
const leadNs = 200_000_000n

/**
 * Ships the dumps of a flight recorder, each with perf's text of its time, which is remembered until a dump asks for it; nothing is shipped between
 * dumps. Dumps overlap: every generation and every record is shipped once, and a dump that comes soon after another goes on with its run, as the
 * trace and the text do.
 */
export class DumpRuns {
  private open: OpenRun | undefined
  private readonly mutex = new Mutex()
  /** Number of the last generation shipped; the runtime counts on when a recorder is started anew. */
  private lastGen = 0
  /** perf's text has been shipped up to here. */
  private shippedNs = 0n
  private tellPerfOver: () => void = () => undefined
  private readonly perfOver: Promise<void>

  constructor(private readonly options: DumpRunsOptions) {
    this.perfOver = new Promise((resolve) => (this.tellPerfOver = resolve))
    if (options.perf === undefined) this.tellPerfOver()
  }

  async shipPerf(text: AsyncIterable<Uint8Array>): Promise<void> {
    const { perf, status } = this.options
    try {
      for await (const chunk of text) {
        await perf?.memory.push(chunk)
        status.perf.keptBytes = perf?.memory.packedBytes ?? 0
      }
    } finally {
      this.tellPerfOver()
    }
  }

  async shipGo(dumps: AsyncIterable<readonly TraceFile[]>): Promise<void> {
    const looking = setInterval(() => void this.mutex.run(() => this.look()), lookEveryMs)
    try {
      for await (const files of dumps) for (const file of files) await this.mutex.run(() => this.tryShip(file))
      await this.perfOver
    } finally {
      clearInterval(looking)
      await this.mutex.run(() => this.end())
    }
  }

  private async tryShip(file: TraceFile): Promise<void> {
    const { status, log } = this.options
    status.gotrace.traces++
    try {
      const leftOutBytes = await this.ship(file)
      if (leftOutBytes === 0) return
      log.warn({ path: file.path, bytes: leftOutBytes }, 'a part of the dump is no whole generation and is left out')
    } catch (error) {
      log.warn({ path: file.path, reason: (error as Error).message }, 'the dump cannot be read')
    }
    status.gotrace.failures++
  }

  /** @returns bytes that are no whole generation. */
  private async ship(file: TraceFile): Promise<number> {
    const { sinceNs } = this.options
    let version: string | undefined
    let leftOutBytes = 0
    for await (const { gen, whole, bytes } of generationsOf(file)) {
      version = traceVersionOf(bytes) ?? version
      const span = whole ? generationSpan(bytes) : undefined
      if (span === undefined) leftOutBytes += bytes.length
      if (span === undefined || gen <= this.lastGen || span.endNs < sinceNs) continue
      this.lastGen = gen
      const open = (this.open ??= await this.begin(BigInt(Math.floor(span.startNs))))
      // The generation that had the header may have been left out.
      if (open.textToNs === 0n && traceVersionOf(bytes) === undefined && version !== undefined)
        await open.run.push('gotrace', traceHeader(version))
      await open.run.push('gotrace', bytes)
      open.textToNs = BigInt(Math.ceil(span.endNs))
      open.untilMs = monotonicMs() + this.options.openForMs(open.textToNs)
    }
    return leftOutBytes
  }

  /** A run whose trace begins at this instant. */
  private async begin(startNs: bigint): Promise<OpenRun> {
    const { begin, perf, status, log } = this.options
    const run = begin()
    if (perf !== undefined) {
      await run.push('perf', await perf.opening())
      const { beginNs = startNs } = perf.memory
      if (beginNs > startNs) {
        status.gotrace.uncovered++
        log.warn({ missingMs: Number(beginNs - startNs) / 1e6 }, 'the dump reaches back to before what is kept of perf')
      }
    }
    const wantedNs = startNs - leadNs
    const textFromNs = wantedNs > this.shippedNs ? wantedNs : this.shippedNs
    return { run, textFromNs, textToNs: 0n, untilMs: Infinity }
  }

  private async look(): Promise<void> {
    const { open } = this
    if (open === undefined) return
    const newestNs = this.options.perf?.memory.newestNs ?? 0n
    await this.shipText(open, newestNs < open.textToNs ? newestNs : open.textToNs)
    if (monotonicMs() >= open.untilMs) await this.end()
  }

  /** What there is of perf's text before an instant and has not been shipped. */
  private async shipText({ run, textFromNs }: OpenRun, untilNs: bigint): Promise<void> {
    const memory = this.options.perf?.memory
    if (memory === undefined || untilNs <= textFromNs) return
    if (textFromNs === this.shippedNs && (memory.beginNs ?? untilNs) > textFromNs)
      await run.push('perf', lostRecordText(textFromNs, 1))
    for await (const text of memory.between(textFromNs, untilNs)) await run.push('perf', text)
    this.open!.textFromNs = this.shippedNs = untilNs
  }

  private async end(): Promise<void> {
    const { open } = this
    if (open === undefined) return
    await this.shipText(open, open.textToNs)
    await open.run.endAll()
    this.open = undefined
  }
}

async function* generationsOf(file: TraceFile): AsyncIterable<Generation> {
  const splitter = new GenerationSplitter()
  for await (const chunk of bytesOfFile(file)) {
    splitter.push(chunk)
    for (let next = splitter.next(); next !== undefined; next = splitter.next()) yield next
  }
  splitter.end()
  for (let next = splitter.next(); next !== undefined; next = splitter.next()) yield next
}
