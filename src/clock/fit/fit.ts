import type { ClockPiece } from '../map.js'
import { type Fitted, fitLine, type Line, lineAt, type Stretch } from './line.js'
import { firstAtOrAfter, goComesFirst, type Lane, type LanePair, pairLanes } from './marks.js'
import { type Point, straightLines, throughAll, toPiece } from './pieces.js'
import { binWidth, searchOffsets } from './search.js'

/** Go's time is fitted window by window: long enough for so many marks, short enough that drift stays small in one. */
const marksWanted = 200
const shortestWindowNs = 1e9
const longestWindowNs = 10e9
const fewestMarks = 20
/** A window counts as found when this share of its marks finds its partner on one line. */
const goodShare = 0.3
/** The found difference must be this much better than the next one that is somewhere else. */
const clearlyBetter = 1.4
const elsewhereNs = 1e6
const mostSearches = 12
/** What is not known of a clock before anything is: PC clocks are within 200 ppm of each other, a frequency counted from ticks within as much. */
const firstDoubtPpm = 250
const firstDoubtNs = 100e3
const pointNs = 250e6
const fewestPairsOfPoint = 6

/** Consecutive windows on one line, or nearly: a clock that was not set in between. */
interface Run {
  line: Line
  readonly windows: Stretch[]
}

export interface Joint {
  readonly pieces: readonly ClockPiece[]
  /** Share of the windows, of those with marks in both tracks, that lie on the pieces. */
  readonly coveredShare: number
  /** How far perf's clock was set back at most: then two moments have one time, and which is meant cannot be known. ns */
  readonly setBackNs: number
}

/**
 * Finds how perf's clock lies against Go's from marks alone: for every window of Go's time the difference that most marks agree on, then lines
 * through them. Undefined when there is none that stands out.
 *
 * @param guessNs differences to try before searching for one
 */
export function fitClock(
  go: ReadonlyMap<number, Lane>,
  perf: ReadonlyMap<number, Lane>,
  guessNs: readonly number[] = [],
): Joint | undefined {
  const pairs = pairLanes(go, perf)
  const windows = windowsOf(pairs)
  if (windows.length === 0) return undefined
  const runs = new Fitting(pairs, windows, guessNs).runs()
  if (runs.length === 0) return undefined
  const pieces = runs.flatMap((run, i) => piecesOf(pairs, run, runs[i - 1]))
  const covered = runs.reduce((sum, run) => sum + run.windows.length, 0)
  const coverable = windows.filter((window) => runs.some((run) => hasPerf(pairs, window, run.line))).length
  const setBackNs = runs.reduce((most, run, i) => Math.max(most, setBack(runs[i - 1], run)), 0)
  return { pieces, coveredShare: coverable === 0 ? 0 : covered / coverable, setBackNs }
}

function setBack(before: Run | undefined, run: Run): number {
  if (before === undefined) return 0
  const atNs = run.windows[0]!.fromNs
  return lineAt(before.line, atNs) - lineAt(run.line, atNs)
}

class Fitting {
  private searches = 0
  private readonly found: Run[] = []
  private readonly taken = new Set<Stretch>()

  constructor(
    private readonly pairs: readonly LanePair[],
    private readonly windows: readonly Stretch[],
    private readonly guessNs: readonly number[],
  ) {}

  runs(): Run[] {
    const { windows, found } = this
    // Windows in which a search is worth its time, spread over the whole trace.
    const stride = Math.max(1, Math.floor(windows.length / mostSearches))
    windows.forEach((window, i) => {
      const run = found.at(-1)
      if (run !== undefined && this.extend(run, window)) return
      if (this.searches >= mostSearches || (run === undefined && i % stride !== 0)) return
      this.searches++
      const line = this.search(window)
      if (line === undefined) return
      found.push({ line, windows: [window] })
      this.taken.add(window)
    })
    for (const run of found) this.extendBack(run)
    return found
  }

  private extend(run: Run, window: Stretch): boolean {
    const gapNs = Math.abs((window.fromNs + window.toNs) / 2 - run.line.atNs)
    const doubt = { offsetNs: 20e3 + gapNs * 30e-6, driftPpm: 30 }
    const fitted = fitLine(this.pairs, window, run.line, doubt)
    if (fitted === undefined || !isGood(fitted)) return false
    run.windows.push(window)
    this.taken.add(window)
    // The slope of one window is rough, that of all is not.
    run.line = { ...fitted.line, driftPpm: (run.line.driftPpm * 3 + fitted.line.driftPpm) / 4 }
    return true
  }

  private extendBack(run: Run): void {
    const first = this.windows.indexOf(run.windows[0]!)
    const end = { ...run, windows: [] as Stretch[] }
    const fitted = fitLine(this.pairs, run.windows[0]!, run.line, { offsetNs: 300e3, driftPpm: 60 })
    if (fitted !== undefined) end.line = fitted.line
    for (let i = first - 1; i >= 0 && !this.taken.has(this.windows[i]!); i--) this.extend(end, this.windows[i]!)
    run.windows.unshift(...end.windows.reverse())
  }

  private search(window: Stretch): Line | undefined {
    const offsets = [...this.guessNs, ...searchOffsets(this.pairs, window.fromNs, window.toNs)]
    const atNs = (window.fromNs + window.toNs) / 2
    const doubt = { offsetNs: firstDoubtNs + binWidth(window.toNs - window.fromNs), driftPpm: firstDoubtPpm }
    const fits = offsets
      .map((offsetNs) => fitLine(this.pairs, window, { atNs, offsetNs, driftPpm: 0 }, doubt))
      .filter((fitted) => fitted !== undefined)
      .sort((a, b) => b.pairs - a.pairs)
    const [best] = fits
    if (best === undefined || !isGood(best)) return undefined
    const other = fits.find(({ line }) => Math.abs(line.offsetNs - best.line.offsetNs) > elsewhereNs)
    return other !== undefined && other.pairs * clearlyBetter > best.pairs ? undefined : best.line
  }
}

function isGood({ pairs, marks }: Fitted): boolean {
  return pairs >= fewestMarks / 2 && pairs >= marks * goodShare
}

function windowsOf(pairs: readonly LanePair[]): Stretch[] {
  const filled = pairs.filter(({ go }) => go.times.length > 0)
  if (filled.length === 0) return []
  const fromNs = Math.min(...filled.map(({ go }) => go.times[0]!))
  const toNs = Math.max(...filled.map(({ go }) => go.times.at(-1)!)) + 1
  const marks = filled.reduce((sum, { go }) => sum + go.times.length, 0)
  const wantedNs = ((toNs - fromNs) / marks) * marksWanted
  const aboutNs = Math.min(longestWindowNs, Math.max(shortestWindowNs, wantedNs))
  // All of one length: of a remainder of some ms the slope could not be told.
  const count = Math.max(1, Math.round((toNs - fromNs) / aboutNs))
  const borderNs = (i: number) => fromNs + ((toNs - fromNs) * i) / count
  return Array.from({ length: count }, (_, i) => ({ fromNs: borderNs(i), toNs: borderNs(i + 1) })).filter(
    (window) => marksIn(filled, window) >= fewestMarks,
  )
}

function marksIn(pairs: readonly LanePair[], { fromNs, toNs }: Stretch): number {
  return pairs.reduce((sum, { go }) => sum + firstAtOrAfter(go.times, toNs) - firstAtOrAfter(go.times, fromNs), 0)
}

/** perf was recording while the window lasted, if the line is right. */
function hasPerf(pairs: readonly LanePair[], window: Stretch, line: Line): boolean {
  const offset = lineAt(line, window.fromNs)
  return pairs.some(({ perf }) => perf.times[0]! < window.toNs + offset && perf.times.at(-1)! > window.fromNs + offset)
}

function piecesOf(pairs: readonly LanePair[], run: Run, before: Run | undefined): ClockPiece[] {
  const points = pointsOf(pairs, run)
  const lines = points.length < 2 ? [{ line: run.line, fromNs: run.windows[0]!.fromNs }] : straightLines(points)
  return lines.map(({ line, fromNs }, i) => {
    if (i > 0) return toPiece(line, fromNs + lineAt(line, fromNs))
    return toPiece(line, before === undefined ? -Infinity : stepBetween(pairs, before, run, line))
  })
}

/** The difference every quarter of a second, between the usual delays on both sides; moments with one side only serve when there are no others. */
function pointsOf(pairs: readonly LanePair[], run: Run): Point[] {
  const rough = roughLine(pairs, run)
  const both: Point[] = []
  const single: Point[] = []
  for (const window of run.windows) {
    const parts = Math.max(1, Math.round((window.toNs - window.fromNs) / pointNs))
    for (let i = 0; i < parts; i++) {
      const length = (window.toNs - window.fromNs) / parts
      const stretch = { fromNs: window.fromNs + i * length, toNs: window.fromNs + (i + 1) * length }
      const near = fitLine(pairs, stretch, rough(window), { offsetNs: 20e3, driftPpm: 0 })
      if (near === undefined || near.pairs < fewestPairsOfPoint) continue
      const point = { goNs: near.line.atNs, offsetNs: near.line.offsetNs }
      ;(near.twoSided ? both : single).push(point)
    }
  }
  return both.length >= 2 ? both : single
}

/** A line for each window that is right to some µs: through its own difference, with the slope of all. */
function roughLine(pairs: readonly LanePair[], run: Run): (window: Stretch) => Line {
  const points: Point[] = []
  const lines = new Map<Stretch, Line>()
  let line = run.line
  for (const window of [...run.windows].reverse()) {
    const gapNs = Math.abs((window.fromNs + window.toNs) / 2 - line.atNs)
    const fitted = fitLine(pairs, window, line, { offsetNs: 20e3 + gapNs * 30e-6, driftPpm: 30 })
    if (fitted !== undefined) line = fitted.line
    lines.set(window, line)
    points.push({ goNs: line.atNs, offsetNs: line.offsetNs })
  }
  const slope = points.length >= 3 ? throughAll(points).driftPpm : undefined
  return (window) => {
    const own = lines.get(window)!
    return slope === undefined ? own : { ...own, driftPpm: slope }
  }
}

/**
 * Where on perf's clock a step lies: in the widest silence of perf between what the line before explains and what this one does.
 */
function stepBetween(pairs: readonly LanePair[], before: Run, run: Run, line: Line): number {
  const border = { fromNs: before.windows.at(-1)!.fromNs, toNs: run.windows[0]!.toNs }
  const lastBefore = matchedPerf(pairs, border, before.line).reduce((a, b) => Math.max(a, b), -Infinity)
  const firstAfter = matchedPerf(pairs, border, line).reduce((a, b) => Math.min(a, b), Infinity)
  if (!(lastBefore < firstAfter)) return firstAfter
  const between = pairs
    .flatMap(({ perf }) => {
      const from = firstAtOrAfter(perf.times, lastBefore)
      return [...perf.times.subarray(from, firstAtOrAfter(perf.times, firstAfter + 1))]
    })
    .sort((a, b) => a - b)
  let widest = { ns: -1, endNs: firstAfter }
  for (let i = 1; i < between.length; i++) {
    const ns = between[i]! - between[i - 1]!
    if (ns > widest.ns) widest = { ns, endNs: between[i]! - ns / 2 }
  }
  return widest.endNs
}

/** Times of perf's marks that lie within some µs of where the line expects a mark of Go. */
function matchedPerf(pairs: readonly LanePair[], { fromNs, toNs }: Stretch, line: Line): number[] {
  const found: number[] = []
  for (const { go, perf } of pairs) {
    const goFirst = goComesFirst[go.kind]!
    for (let i = firstAtOrAfter(go.times, fromNs); i < go.times.length && go.times[i]! < toNs; i++) {
      const expected = go.times[i]! + lineAt(line, go.times[i]!)
      const [low, high] = goFirst ? [expected - 2e3, expected + 10e3] : [expected - 10e3, expected + 2e3]
      const j = firstAtOrAfter(perf.times, low)
      if (j < perf.times.length && perf.times[j]! <= high) found.push(perf.times[j]!)
    }
  }
  return found
}
