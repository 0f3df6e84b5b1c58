import type { AnalysisOptions } from '../../analysis/analysis.js'
import { Analysis, type SavedAnalysis } from '../../analysis/analysis.js'
import type { ArchivedCapture } from '../../archive/catalog.js'
import { readTrack } from '../../archive/trackReader.js'
import type { OutRow } from '../../measures/measure.js'
import type { Thresholds } from '../../measures/thresholds.js'
import type { Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'

/** All that the archive has of one run of a source, its captures in the order of their hours. */
export interface ArchivedRunFiles {
  readonly source: string
  readonly stream: string
  readonly captures: readonly ArchivedCapture[]
  /** Nothing more will come of it. */
  readonly isOver: boolean
}

export interface Range {
  /** Rows from here on are wanted, ns since the epoch; undefined: from the begin. */
  readonly sinceNs: bigint | undefined
  /** Rows before this are wanted. */
  readonly untilNs: bigint | undefined
}

/** Data read beyond the range, for what began in it: user tasks that last longer than this after its end have no row. */
const settleNs = 600_000_000_000n
/** When the begin of a run is not in the archive, what is known of its first generations is less than the normalizer knew. */
const warmUpNs = 60_000_000_000n

export interface RunResult {
  /** The rows of these first ns of the archived data were left as they are: the begin of the run is not in the archive. */
  readonly warmedUp: boolean
  readonly problems: readonly string[]
}

export interface Recomputing {
  readonly thresholds: Partial<Thresholds> | undefined
  readonly range: Range
  readonly saved: SavedAnalysis | undefined
  /** Rows of the range, in the order the normalizer writes them; waited for. */
  readonly onRows: (rows: OutRow[]) => Promise<void>
  /** Everything told to `onRows` so far is what precedes this state. Called when one can be taken and `wantsState` says so. */
  readonly onState: (saved: SavedAnalysis) => Promise<void>
  readonly wantsState: () => boolean
  readonly onProgress: (bytes: number) => void
}

/** Computes a run again from its first archived byte, or from a saved state, through the very core the normalizer has. */
export async function recomputeRun(run: ArchivedRunFiles, options: Recomputing): Promise<RunResult> {
  const { range, saved } = options
  const captures = run.captures.filter(({ fromNs }) => {
    return range.untilNs === undefined || fromNs === undefined || fromNs < range.untilNs + settleNs
  })
  const problems: string[] = []
  const isWhole = captures.length === run.captures.length
  const analysis = new Analysis(analysisOptions(run, options.thresholds), saved)
  const chunks = Object.fromEntries(
    tracks.map((track) => {
      return [track, readTrack(captures, track, saved?.position[track] ?? 0, (detail) => problems.push(detail))]
    }),
  ) as Record<Track, ReturnType<typeof readTrack>>
  const { fromNs: beganNs, missing } = beginOf(run)
  const warmUntilNs = missing && beganNs !== undefined ? beganNs + warmUpNs : undefined
  const sinceNs = later(range.sinceNs, warmUntilNs)
  const dry = new Set<Track>()
  for (;;) {
    let state: SavedAnalysis | undefined
    // Live state: it must be copied before the analysis goes on.
    analysis.pump(options.wantsState() ? (live) => (state ??= structuredClone(live)) : undefined)
    const rows = analysis.takeRows().filter(({ row }) => within(BigInt(row.ts), sinceNs, range.untilNs))
    analysis.takeFindings()
    if (rows.length > 0) await options.onRows(rows)
    if (state !== undefined) await options.onState(state)
    const track = analysis.starving
    if (track === undefined || dry.has(track)) break
    const next = await chunks[track].next()
    if (next.done === true) {
      dry.add(track)
      if (isWhole && (run.isOver || hasEnded(run, track))) analysis.end(track)
    } else {
      const { bytes, gapBytes, shippedAtMs } = next.value
      if (gapBytes > 0) analysis.gap(track, gapBytes)
      analysis.feed(track, bytes, shippedAtMs)
      options.onProgress(bytes.length)
    }
  }
  return { warmedUp: warmUntilNs !== undefined, problems }
}

function analysisOptions({ captures }: ArchivedRunFiles, thresholds: Partial<Thresholds> | undefined): AnalysisOptions {
  const { source, service, host, clock, archive } = captures[0]!.manifest
  const ships = archive.ships.split(',')
  return {
    source,
    service,
    host,
    tracks: { gotrace: ships.includes('gotrace'), perf: ships.includes('perf') },
    clock,
    perfClock: archive.perfClock,
    thresholds,
  }
}

function beginOf({ captures }: ArchivedRunFiles): { fromNs: bigint | undefined; missing: boolean } {
  const first = (track: Track) => captures.find(({ manifest }) => manifest.archive[track])?.manifest.archive[track]
  return { fromNs: captures[0]?.fromNs, missing: tracks.some((track) => (first(track)?.fromPosition ?? 0) > 0) }
}

function hasEnded({ captures }: ArchivedRunFiles, track: Track): boolean {
  return captures.some(({ manifest }) => manifest.archive[track]?.ended === true)
}

function later(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}

function within(ts: bigint, sinceNs: bigint | undefined, untilNs: bigint | undefined): boolean {
  return (sinceNs === undefined || ts >= sinceNs) && (untilNs === undefined || ts < untilNs)
}
