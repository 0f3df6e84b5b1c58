import { Analysis } from '../analysis/analysis.js'
import { clipped, type Gate, overlaps } from '../analysis/selection.js'
import type { AnalysisSummary } from '../analysis/summary.js'
import { readCapture } from '../capture/directory.js'
import { type Input, openInput } from '../capture/input.js'
import { type ClockDecision, isFoundLate } from '../clock/ladder.js'
import { UserError } from '../errors.js'
import type { Finding } from '../findings/finding.js'
import type { OutRow } from '../measures/measure.js'
import type { Thresholds } from '../measures/thresholds.js'
import type { TimelineListener } from '../timeline/model.js'
import { prepareClock, severalOldTraces } from './clockPass.js'
import type { OfflineSource } from './offlineSource.js'
import { captureRun } from './shipper.js'

/** A finding with wall times, ns since the epoch as decimal strings. */
export interface DatedFinding extends Finding {
  readonly from: string
  readonly to: string
}

export interface OfflineResult {
  readonly names: OfflineSource['names']
  readonly summary: AnalysisSummary
  readonly rows: readonly OutRow[]
  readonly findings: readonly DatedFinding[]
  /** The parts of the capture it is about, ns since the epoch; undefined = all of it. */
  readonly windows: readonly Window[] | undefined
  /** The goroutines it is about; undefined = all. */
  readonly goroutines?: readonly number[] | undefined
}

export interface Window {
  readonly from: string
  readonly to: string
}

export interface OfflineOptions {
  readonly thresholds?: Partial<Thresholds> | undefined
  /** Told of the timeline as the measures are. */
  readonly listeners?: readonly TimelineListener[] | undefined
  /** Names of the tables whose rows are wanted; all by default. A busy service has a row for each of very many tasks. */
  readonly tables?: ReadonlySet<string> | undefined
  /** Sees every row of those tables first; those it does not want to keep are not in the result. */
  readonly onRow?: ((row: OutRow) => boolean) | undefined
  /** What to look at; everything by default. */
  readonly gate?: Gate | undefined
  /** Are told everything. */
  readonly observers?: readonly TimelineListener[] | undefined
  /** Called with everything told, before the result is put together. */
  readonly onEnd?: (analysis: Analysis) => void
  /** Called after each piece of input with the bytes taken from the files so far. */
  readonly onProgress?: (readBytes: number) => void
}

/** Options with nobody in them who keeps what he is told. */
type PlainOptions = Omit<OfflineOptions, 'listeners' | 'observers' | 'onRow'> & {
  readonly [name in 'listeners' | 'observers' | 'onRow']?: never
}

/** Opens what a capture directory's manifest names. */
export async function openCapture(directory: string): Promise<OfflineSource> {
  const { manifest, gotracePath, perfPath } = await readCapture(directory)
  const { source, service, host, clock, perf, archive } = manifest
  const threads = manifest.threads && new Map(manifest.threads.map(([outside, inside]) => [inside, outside]))
  return {
    names: { source, service, host, clock, perfClock: perf?.clock, threads },
    run: archive?.run ?? archive?.stream ?? (clock && captureRun(Number(BigInt(clock.wallNs) / 1_000_000n))),
    inputs: await openInputs(gotracePath, perfPath),
  }
}

/**
 * Opens a Go trace and a perf text that are not in a capture directory.
 * @throws UserError when a file is not what it was given as.
 */
export async function openFiles(tracePath: string | undefined, perfPath: string | undefined): Promise<OfflineSource> {
  const name = [tracePath, perfPath].filter((path) => path !== undefined).join('+')
  return {
    names: { source: name, service: 'unknown', host: 'unknown' },
    inputs: await openInputs(tracePath, perfPath),
  }
}

async function openInputs(
  tracePath: string | undefined,
  perfPath: string | undefined,
): Promise<OfflineSource['inputs']> {
  if (tracePath === '-' && perfPath === '-') throw new UserError('only one of --trace and --perf can be stdin (-)')
  const gotrace = tracePath === undefined ? undefined : await openInput(tracePath)
  const perf = perfPath === undefined ? undefined : await openInput(perfPath)
  if (gotrace?.kind === 'perf-script' && (perf === undefined || perf.kind === 'gotrace')) {
    const swapped = perf === undefined ? 'give it as --perf' : 'the two are swapped: exchange --trace and --perf'
    throw new UserError(`${gotrace.name} is perf script text, not a Go trace; ${swapped}`)
  }
  if (gotrace !== undefined && gotrace.kind !== 'gotrace') throw new UserError(notA(gotrace, 'a Go execution trace'))
  if (perf?.kind === 'gotrace')
    throw new UserError(`${perf.name} is a Go trace, not perf script text; give it as --trace`)
  if (perf !== undefined && perf.kind !== 'perf-script') throw new UserError(notA(perf, 'the text of perf script'))
  return { ...(gotrace && { gotrace }), ...(perf && { perf }) }
}

function notA(input: Input, wanted: string): string {
  const found =
    input.kind === 'empty'
      ? 'is empty'
      : input.kind === 'perf-script'
        ? 'is perf script text'
        : 'is of an unknown format'
  const hint = wanted.startsWith('a Go')
    ? 'record one with runtime/trace or from /debug/pprof/trace'
    : 'make it with `perf script --header --ns -F comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace`'
  return `${input.name} ${found}, not ${wanted}: ${hint}`
}

/**
 * The whole analysis in this process: reads both tracks side by side, never more of one than the other needs. When their join is refused in the
 * end, all is read once more without it: no row is joined then.
 *
 * @param options a function where somebody is told things: he may keep them, so it is asked again for the second reading
 * @throws UserError when a second reading is needed and the input was a stream
 */
export async function analyzeOffline(
  source: OfflineSource,
  options: PlainOptions | (() => OfflineOptions) = {},
): Promise<OfflineResult> {
  const { names } = source
  const optionsNow = () => (typeof options === 'function' ? options() : options)
  const prepared = await prepareClock(source)
  try {
    const { inputs, clockDecision } = prepared
    const result = await analyzePrepared({ names, inputs }, clockDecision, optionsNow())
    const { clock, fit, commonThreads } = result.summary
    if (!isFoundLate(clock)) return result
    const alone = await analyzePrepared({ names, inputs: await prepared.again(clock.reason) }, clock, optionsNow())
    // What the check has found is why.
    return { ...alone, summary: { ...alone.summary, fit, commonThreads } }
  } finally {
    await prepared.dispose()
  }
}

async function analyzePrepared(
  { names, inputs }: OfflineSource,
  clockDecision: ClockDecision | undefined,
  options: OfflineOptions,
): Promise<OfflineResult> {
  const analysis = new Analysis({
    ...names,
    clockDecision,
    tracks: { gotrace: inputs.gotrace !== undefined, perf: inputs.perf !== undefined },
    thresholds: options.thresholds,
    gate: options.gate,
    tables: options.tables,
    observers: options.observers,
    listeners: options.listeners,
  })
  const chunks = {
    gotrace: inputs.gotrace?.chunks[Symbol.asyncIterator](),
    perf: inputs.perf?.chunks[Symbol.asyncIterator](),
  }
  const rows: OutRow[] = []
  const findings: DatedFinding[] = []
  for (;;) {
    analysis.pump()
    if (analysis.hasSeveralOldTraces) throw severalOldTraces(inputs.gotrace!.name)
    for (const row of analysis.takeRows()) if (options.onRow?.(row) ?? true) rows.push(row)
    for (const finding of analysis.takeFindings()) {
      findings.push({ ...finding, from: analysis.wallNs(finding.fromNs), to: analysis.wallNs(finding.toNs) })
    }
    const track = analysis.starving
    if (track === undefined) break
    const next = await chunks[track]!.next()
    if (next.done === true) {
      analysis.end(track)
    } else {
      analysis.feed(track, next.value)
      options.onProgress?.((inputs.gotrace?.readBytes ?? 0) + (inputs.perf?.readBytes ?? 0))
    }
  }
  assertSelected(options.gate, analysis)
  options.onEnd?.(analysis)
  const summary = withDamage(analysis.summary, inputs)
  const goroutines = options.gate?.axis && options.gate.selection.goroutines
  return {
    ...{ names, summary, rows, findings, windows: windowsOf(options.gate, analysis) },
    goroutines: goroutines && [...goroutines.keys()],
  }
}

/** Within what there is: an end that was left open is the end of the capture. */
function windowsOf(gate: Gate | undefined, analysis: Analysis): Window[] | undefined {
  const span = analysis.spanNs
  if (gate?.axis === undefined || span === undefined) return undefined
  return clipped(gate.selection.intervals, span.fromNs, span.toNs).map(({ fromNs, toNs }) => ({
    from: analysis.wallNs(fromNs),
    to: analysis.wallNs(toNs),
  }))
}

/** @throws UserError when nothing of the recording has been chosen */
function assertSelected(gate: Gate | undefined, analysis: Analysis): void {
  const span = analysis.spanNs
  if (gate?.axis === undefined || span === undefined) return
  const { intervals } = gate.selection
  if (!overlaps(intervals, span.fromNs, span.toNs)) {
    const seconds = ((span.toNs - span.fromNs) / 1e9).toFixed(3)
    throw new UserError(`nothing was recorded in the selected time: the recording ends at +${seconds} s`)
  }
  const [goid] = gate.unheard
  if (goid !== undefined) throw new UserError(`there is no goroutine ${goid} in the trace`)
}

/** What went wrong before the readers saw a byte belongs with what they could not read. */
function withDamage(summary: AnalysisSummary, inputs: OfflineSource['inputs']): AnalysisSummary {
  const damage = (['gotrace', 'perf'] as const).flatMap((track) =>
    (inputs[track]?.damage ?? []).map((detail) => ({ track, name: 'damaged_file', offsetBytes: 0, detail })),
  )
  return damage.length === 0 ? summary : { ...summary, problems: [...damage, ...summary.problems] }
}

/** `diagnose CAPTURE` without the printing. */
export async function analyzeCapture(
  directory: string,
  options: PlainOptions | (() => OfflineOptions) = {},
): Promise<OfflineResult> {
  return analyzeOffline(await openCapture(directory), options)
}
