import { Analysis, type AnalysisOptions, type SavedAnalysis } from '../../analysis/analysis.js'
import type { ArchivedCapture } from '../../archive/catalog.js'
import { type ArchivedBytes, positionShift, readTrack } from '../../archive/trackReader.js'
import type { Wall } from '../../clock/wall.js'
import type { OutRow } from '../../measures/measure.js'
import type { Thresholds } from '../../measures/thresholds.js'
import type { Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'
import { Borders } from './borders.js'
import { type Carried, carriedWall, loadCarried, saveCarried } from './carried.js'
import { Doubts, type DoubtsState, newDoubts } from './doubts.js'
import { chooseReading, type Range, type Reading, warmUpNs } from './reading.js'

/** What the archive has of one run of a source, its captures in the order of their hours: all that is read of it, at least. */
export interface ArchivedRunFiles {
  readonly source: string
  readonly stream: string
  readonly captures: readonly ArchivedCapture[]
  /** Nothing more will come of it, and nothing comes behind these captures. */
  readonly isOver: boolean
}

export interface RunResult {
  /** The rows of the first minute of what was read were left as they were: nothing is known of before. */
  readonly warmedUp: boolean
  readonly problems: readonly string[]
}

/** Its cause is no fault of the run, but of where its rows and states go: those of the next one would not be taken either. */
export class NotTaken extends Error {}

/** How far a run has come: all that a later attempt needs besides its captures. */
export interface SavedRun extends Omit<Carried, 'wall'> {
  readonly wall: Wall | undefined
  /** Undefined: all that was before is known. */
  readonly doubts: DoubtsState | undefined
}

export interface Recomputing {
  readonly thresholds: Partial<Thresholds> | undefined
  readonly range: Range
  /** Read it from its first byte, whatever the range. */
  readonly whole?: boolean | undefined
  /** See `wallOfRun`; by default it is asked about the captures that are given. */
  readonly wall?: Wall | undefined
  readonly saved: SavedRun | undefined
  /** Rows of the range, in the order the normalizer writes them; waited for. */
  readonly onRows: (rows: OutRow[]) => Promise<void>
  /** A row of the range may differ from that of the whole run, as nothing is known of before: it is left as it is. */
  readonly onKept?: (table: string) => void
  /** Everything told to `onRows` so far is what precedes this state. Called when one can be taken and `wantsState` says so. */
  readonly onState: (saved: SavedRun) => Promise<void>
  readonly wantsState: () => boolean
  /** `isWarmUp`: they lie before the range. */
  readonly onProgress: (bytes: number, isWarmUp: boolean) => void
}

/**
 * Computes a run again from an hour before the range on, or from a saved state, through the very core the normalizer has. What it knows at the begin of every hour
 * it leaves there, for whoever begins there later.
 *
 * @throws NotTaken when rows or states cannot be written; anything else is a failure of this run
 */
export async function recomputeRun(run: ArchivedRunFiles, options: Recomputing): Promise<RunResult> {
  const { range } = options
  const { reading, carried } = await openReading(run, options)
  const { captures } = reading
  const saved = options.saved !== undefined && covers(captures, options.saved) ? options.saved : undefined
  const start = saved ?? carried
  const shift = start?.shift ?? shiftOf(captures)
  const isMiddle = saved === undefined ? reading.begin === 'middle' : saved.doubts !== undefined
  const wall = start?.wall ?? (isMiddle ? (options.wall ?? (await wallOfRun(run))) : undefined)
  const own = analysisOptions(captures, options.thresholds)
  const warmUntilNs = reading.fromNs === undefined ? undefined : reading.fromNs + warmUpNs
  const doubts = isMiddle
    ? new Doubts(saved?.doubts ?? newDoubts(warmUntilNs), own.tracks.perf, (atNs): string => analysis.wallNs(atNs))
    : undefined
  const observers = doubts && [doubts]
  const analysis: Analysis = new Analysis({ ...own, wall, observers }, start?.saved)
  const problems: string[] = []
  const feed = new Feed(captures, shift, start?.saved, (detail) => problems.push(detail))
  const borders = isMiddle ? undefined : new Borders(captures, shift, start?.saved.position)
  const sinceNs = later(range.sinceNs, doubts?.state.sinceNs)
  const savedRun = (live: SavedAnalysis): SavedRun => ({
    ...{ saved: structuredClone(live), shift, wall: analysis.wall },
    doubts: doubts && structuredClone(doubts.state),
  })
  try {
    for (;;) {
      let state: SavedRun | undefined
      let atBorder: { readonly state: SavedRun; readonly directory: string } | undefined
      const isWanted = options.wantsState()
      const looksOut = borders?.areNear(feed.fedBytes) ?? false
      // Live state: it must be copied before the analysis goes on.
      const onCheckpoint = (live: SavedAnalysis) => {
        if (isWanted) state ??= savedRun(live)
        const directory = borders?.passed(live.position)
        if (directory !== undefined) atBorder = { state: savedRun(live), directory }
      }
      analysis.pump(isWanted || looksOut ? onCheckpoint : undefined)
      if (analysis.done && analysis.spanNs !== undefined) doubts?.end(analysis.wallNs(analysis.spanNs.toNs))
      const rows = analysis.takeRows().filter(({ row }) => within(BigInt(row.ts), sinceNs, range.untilNs))
      analysis.takeFindings()
      const sure = doubts === undefined ? rows : rows.filter((row) => !doubts.hasOf(row))
      if (sure.length < rows.length) for (const row of rows) if (doubts!.hasOf(row)) options.onKept?.(row.table)
      try {
        if (sure.length > 0) await options.onRows(sure)
        if (state !== undefined) await options.onState(state)
        if (atBorder?.state.wall !== undefined) {
          const { saved, wall } = atBorder.state
          await saveCarried(atBorder.directory, { saved, shift, wall })
        }
      } catch (cause) {
        throw new NotTaken('rows or a state could not be written', { cause })
      }
      const track = analysis.starving
      if (track === undefined || feed.dry.has(track)) break
      const isWarmUp = range.sinceNs !== undefined && !hasReached(analysis, track, range.sinceNs)
      const bytes = await feed.next(analysis, track)
      if (bytes !== undefined) options.onProgress(bytes, isWarmUp)
      else if (reading.reachesEnd && (run.isOver || hasEnded(captures, track))) analysis.end(track)
    }
  } finally {
    await feed.close()
  }
  return { warmedUp: sinceNs !== range.sinceNs, problems }
}

/**
 * Where the wall time of the run comes from: told at its begin, and the same for all its rows, or keys would differ by the ns between two readings
 * of the clocks. Undefined when its begin is not there, and nobody left word.
 */
export async function wallOfRun(run: ArchivedRunFiles): Promise<Wall | undefined> {
  const { captures } = run
  const known = await carriedWall(captures.map(({ directory }) => directory))
  const isFirst = tracks.every((track) => shiftOf(captures)[track] === 0)
  if (known !== undefined || !isFirst) return known
  const analysis = new Analysis({ ...analysisOptions(captures, undefined), tables: new Set() })
  const feed = new Feed(captures, shiftOf(captures), undefined, () => undefined)
  try {
    while (analysis.wall === undefined) {
      const track = analysis.starving
      if (track === undefined || feed.dry.has(track)) break
      if ((await feed.next(analysis, track)) === undefined && (run.isOver || hasEnded(captures, track)))
        analysis.end(track)
      analysis.pump()
    }
  } finally {
    await feed.close()
  }
  return analysis.wall
}

/** Hands the bytes of the captures to an analysis. */
class Feed {
  /** Tracks that have no more. */
  readonly dry = new Set<Track>()
  /** How far it is with each, as the analysis counts. */
  readonly fedBytes: Record<Track, number>
  private readonly chunks: Readonly<Record<Track, AsyncGenerator<ArchivedBytes>>>

  constructor(
    captures: readonly ArchivedCapture[],
    shift: Readonly<Record<Track, number>>,
    saved: SavedAnalysis | undefined,
    onDamage: (detail: string) => void,
  ) {
    this.fedBytes = { ...(saved?.position ?? { gotrace: 0, perf: 0 }) }
    const chunks = (track: Track) => readTrack(captures, track, this.fedBytes[track], onDamage, shift[track])
    this.chunks = { gotrace: chunks('gotrace'), perf: chunks('perf') }
  }

  /** Feeds the next bytes of a track. @returns how many; undefined when there are none. */
  async next(analysis: Analysis, track: Track): Promise<number | undefined> {
    const next = await this.chunks[track].next()
    if (next.done === true) {
      this.dry.add(track)
      return undefined
    }
    const { bytes, gapBytes, shippedAtMs } = next.value
    if (gapBytes > 0) analysis.gap(track, gapBytes)
    analysis.feed(track, bytes, shippedAtMs)
    this.fedBytes[track] += bytes.length
    return bytes.length
  }

  async close(): Promise<void> {
    for (const track of tracks) await this.chunks[track].return(undefined)
  }
}

/** One that cannot be read counts as if it was not there. */
async function openReading(
  { captures }: ArchivedRunFiles,
  { range, whole }: Recomputing,
): Promise<{ reading: Reading; carried: Carried | undefined }> {
  let carried: Carried | undefined
  const reading = await chooseReading(captures, range, whole ?? false, async (directory) => {
    carried = await loadCarried(directory).catch(() => undefined)
    return carried !== undefined
  })
  return { reading, carried: reading.begin === 'carried' ? carried : undefined }
}

/** Whether all that such a state needs to go on is in the captures: retention may have come since. */
function covers(captures: readonly ArchivedCapture[], { saved, shift }: SavedRun): boolean {
  return tracks.every((track) => {
    const first = captures.find(({ manifest }) => manifest.archive[track])?.manifest.archive[track]
    return first === undefined || first.fromPosition + shift[track] <= saved.position[track]
  })
}

function shiftOf(captures: readonly ArchivedCapture[]): Record<Track, number> {
  return { gotrace: positionShift(captures, 'gotrace'), perf: positionShift(captures, 'perf') }
}

function analysisOptions(
  captures: readonly ArchivedCapture[],
  thresholds: Partial<Thresholds> | undefined,
): AnalysisOptions {
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

function hasEnded(captures: readonly ArchivedCapture[], track: Track): boolean {
  return captures.some(({ manifest }) => manifest.archive[track]?.ended === true)
}

/** Whether a track has been read up to a moment. */
function hasReached(analysis: Analysis, track: Track, atNs: bigint): boolean {
  const ns = analysis.watermarkNs[track]
  return Number.isFinite(ns) && BigInt(analysis.wallNs(ns)) >= atNs
}

function later(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}

function within(ts: bigint, sinceNs: bigint | undefined, untilNs: bigint | undefined): boolean {
  return (sinceNs === undefined || ts >= sinceNs) && (untilNs === undefined || ts < untilNs)
}
