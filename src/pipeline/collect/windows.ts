import { isAborted } from '../../capture/aborted.js'
import { openGoTrace } from '../../capture/goTrace.js'
import { generationSpan, GenerationSplitter } from '../../gotrace/index.js'
import { shownAddress } from '../../secret.js'
import type { Log } from '../log.js'
import { pauseAfterFailure, tellFailure } from './failures.js'
import type { GoTraceStatus } from './status.js'

export interface TraceWindowsOptions {
  readonly url: string
  /** Length of one trace. */
  readonly windowMs: number
  /** An endpoint of which nothing comes for so long beyond that is asked again. */
  readonly awayAfterMs: number
}

/**
 * One trace after another from the pprof endpoint, back to back; each begins with its own header, which a reader takes for a new beginning.
 * Between two nothing is traced: that gap is measured from the traces themselves. Ends as soon as the signal comes.
 */
export async function* traceWindows(
  { url, windowMs, awayAfterMs }: TraceWindowsOptions,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  const gaps = new GapMeter(status)
  const patience = { silenceMs: windowMs + awayAfterMs, signal }
  signal.addEventListener('abort', () => (status.isOpen = false), { once: true })
  while (!signal.aborted) {
    try {
      status.traces++
      gaps.begin()
      for await (const chunk of openGoTrace(url, windowMs / 1000, patience)) {
        status.isOpen = true
        gaps.push(chunk)
        yield chunk
        if (isAborted(signal)) return
      }
      const gapNs = gaps.end()
      if (gapNs !== undefined)
        log.debug({ url: shownAddress(url), gapMs: gapNs / 1e6 }, 'between two traces nothing was traced')
    } catch (error) {
      if (isAborted(signal)) return
      status.isOpen = false
      tellFailure(error, status, log, { url: shownAddress(url) }, 'no trace; asking again')
      await pauseAfterFailure(signal)
    }
  }
}

/** Adds up the time between the end of one trace and the beginning of the next, on the clock of the traces. */
export class GapMeter {
  private splitter = new GenerationSplitter()
  private endNs: number | undefined
  private firstNs: number | undefined
  private lastNs: number | undefined

  constructor(private readonly status: Pick<GoTraceStatus, 'gaps' | 'gapNs' | 'lastGapNs'>) {}

  begin(): void {
    this.splitter = new GenerationSplitter()
    this.endNs = this.lastNs ?? this.endNs
    this.firstNs = undefined
    this.lastNs = undefined
  }

  push(chunk: Uint8Array): void {
    this.splitter.push(chunk)
    this.look()
  }

  /** @returns the gap before this trace in ns; undefined when there was no trace before it, or its times are not known. */
  end(): number | undefined {
    this.splitter.end()
    this.look()
    const { status, endNs, firstNs } = this
    if (endNs === undefined || firstNs === undefined) return undefined
    const gapNs = Math.max(0, firstNs - endNs)
    status.gaps++
    status.gapNs += gapNs
    status.lastGapNs = gapNs
    return gapNs
  }

  private look(): void {
    for (let next = this.splitter.next(); next !== undefined; next = this.splitter.next()) {
      const span = next.whole ? generationSpan(next.bytes) : undefined
      if (span === undefined) continue
      this.firstNs ??= span.startNs
      this.lastNs = span.endNs
    }
  }
}
