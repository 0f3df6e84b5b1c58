import { firstAtOrAfter, goComesFirst, type LanePair } from './marks.js'

/** A straight line through the differences of one stretch: `offsetNs` at `atNs` of Go's time. */
export interface Line {
  readonly atNs: number
  readonly offsetNs: number
  readonly driftPpm: number
}

export interface Stretch {
  readonly fromNs: number
  readonly toNs: number
}

/** Pairs of marks that may belong together, those of one mark of Go side by side. */
interface Pairs {
  readonly goNs: number[]
  /** Perf's time minus Go's, and minus the line that they were looked for at. */
  readonly residualNs: number[]
  readonly goFirst: boolean[]
  /** Number of Go's mark. */
  readonly mark: number[]
}

export interface Fitted {
  readonly line: Line
  /** Pairs within the tolerance, and Go's marks that had a chance of one. */
  readonly pairs: number
  readonly marks: number
  /** There are pairs in which Go comes first and pairs in which perf does, so that the line lies between. */
  readonly twoSided: boolean
}

/** Pairs that belong together have differences at most so far apart; the delays between the two are a few µs. */
const toleranceNs = 10e3
/** Width of the band that shows the usual delay on one side; pairs with a neighbour's partner scatter around it. */
const usualNs = 600
/** Marks of perf compared with one of Go. */
const mostPartners = 24

export function lineAt({ atNs, offsetNs, driftPpm }: Line, goNs: number): number {
  return offsetNs + (goNs - atNs) * driftPpm * 1e-6
}

/** How far from the truth a line may be, at most, where a fit begins. */
export interface Doubt {
  readonly offsetNs: number
  readonly driftPpm: number
}

/**
 * The best line near `start` for the marks of a stretch: the slope and offset that put most differences into one narrow bin, then the middle
 * between the usual delays of both sides. Where Go comes first, the differences lie above the true offset, where perf does, below it.
 */
export function fitLine(pairs: readonly LanePair[], stretch: Stretch, start: Line, doubt: Doubt): Fitted | undefined {
  const middle = (stretch.fromNs + stretch.toNs) / 2
  const level = { atNs: middle, offsetNs: lineAt(start, middle), driftPpm: start.driftPpm }
  const lengthNs = Math.max(1, stretch.toNs - stretch.fromNs)
  const reachNs = doubt.offsetNs + doubt.driftPpm * 1e-6 * (lengthNs / 2) + toleranceNs
  const { found, marks } = candidates(pairs, stretch, level, reachNs)
  if (found.mark.length === 0) return undefined
  // A step moves the ends by half a tolerance at most; in a short stretch many slopes do, of which those in doubt are tried and no others.
  const steps = Math.ceil((doubt.driftPpm * 1e-6 * lengthNs) / toleranceNs)
  const stepPpm = steps === 0 ? 0 : doubt.driftPpm / steps
  let best = { count: 0, line: level }
  // From the middle outwards: of equals the one that was expected counts.
  for (let i = 0; i <= 2 * steps; i++) {
    const slopePpm = (i % 2 === 0 ? i / 2 : -(i + 1) / 2) * stepPpm
    const mode = densest(found, middle, slopePpm, doubt.offsetNs + toleranceNs)
    if (mode.count <= best.count) continue
    const line = { atNs: middle, offsetNs: level.offsetNs + mode.offsetNs, driftPpm: level.driftPpm + slopePpm }
    best = { count: mode.count, line }
  }
  const rough = centred(found, level, best.line, 2 * toleranceNs)
  return { ...centred(found, level, rough.line, toleranceNs), pairs: best.count, marks }
}

/** Pairs within `withinNs` of the line. */
function candidates(pairs: readonly LanePair[], stretch: Stretch, line: Line, withinNs: number) {
  const found: Pairs = { goNs: [], residualNs: [], goFirst: [], mark: [] }
  let marks = 0
  for (const { go, perf } of pairs) {
    const goFirst = goComesFirst[go.kind]!
    const lastNs = perf.times.at(-1)!
    for (let i = firstAtOrAfter(go.times, stretch.fromNs); i < go.times.length && go.times[i]! < stretch.toNs; i++) {
      const goNs = go.times[i]!
      const expected = goNs + lineAt(line, goNs)
      if (expected < perf.times[0]! - withinNs || expected > lastNs + withinNs) continue
      marks++
      const first = firstAtOrAfter(perf.times, expected - withinNs)
      const end = Math.min(perf.times.length, first + mostPartners)
      for (let j = first; j < end && perf.times[j]! <= expected + withinNs; j++) {
        found.goNs.push(goNs)
        found.residualNs.push(perf.times[j]! - expected)
        found.goFirst.push(goFirst)
        found.mark.push(marks)
      }
    }
  }
  return { found, marks }
}

const binNs = 1e3
const binsOfBand = (2 * toleranceNs) / binNs
const nearlyAll = 0.98

/** The band of residuals, as wide as the tolerance allows, that most marks of Go have a partner in. */
function densest(
  pairs: Pairs,
  middleNs: number,
  slopePpm: number,
  withinNs: number,
): { offsetNs: number; count: number } {
  const bins = Math.ceil((2 * withinNs) / binNs)
  // Changes of the count from one place of the band to the next.
  const changes = new Int32Array(bins + binsOfBand + 2)
  let mark = -1
  let coveredTo = 0
  for (let i = 0; i < pairs.mark.length; i++) {
    const residual = pairs.residualNs[i]! - (pairs.goNs[i]! - middleNs) * slopePpm * 1e-6
    const bin = Math.floor((residual + withinNs) / binNs)
    if (bin < 0 || bin >= bins) continue
    if (pairs.mark[i] !== mark) coveredTo = 0
    mark = pairs.mark[i]!
    // Bands that begin at [bin, bin + binsOfBand) of the shifted scale hold the pair; a mark counts once in each.
    const from = Math.max(bin, coveredTo)
    coveredTo = bin + binsOfBand
    changes[from]!++
    changes[coveredTo]!--
  }
  for (let at = 1; at < changes.length; at++) changes[at]! += changes[at - 1]!
  const count = changes.reduce((a, b) => Math.max(a, b))
  // A band wider than the scatter holds all from many places: the middle of them is it.
  const enough = count * nearlyAll
  const first = changes.findIndex((n) => n >= enough)
  let last = first
  while (changes[last + 1]! >= enough) last++
  return { offsetNs: ((first + last) / 2 + 1 - binsOfBand / 2) * binNs - withinNs, count }
}

/** Moves the line to the middle between the usual delays of both directions, or to the only one there is. */
function centred(pairs: Pairs, level: Line, line: Line, withinNs: number): Pick<Fitted, 'line' | 'twoSided'> {
  const above: number[] = []
  const below: number[] = []
  for (let i = 0; i < pairs.mark.length; i++) {
    const goNs = pairs.goNs[i]!
    const residual = pairs.residualNs[i]! + lineAt(level, goNs) - lineAt(line, goNs)
    if (Math.abs(residual) <= withinNs) (pairs.goFirst[i]! ? above : below).push(residual)
  }
  above.sort((a, b) => a - b)
  below.sort((a, b) => a - b)
  const floor = usual(above)
  const ceiling = usual(below)
  const shift = floor === undefined ? ceiling : ceiling === undefined ? floor : (floor + ceiling) / 2
  const twoSided = floor !== undefined && ceiling !== undefined
  return { line: { ...line, offsetNs: line.offsetNs + (shift ?? 0) }, twoSided }
}

/** The middle of the band that holds most. */
function usual(sorted: readonly number[]): number | undefined {
  let best = { from: 0, end: 0 }
  for (let from = 0, end = 0; from < sorted.length; from++) {
    while (end < sorted.length && sorted[end]! - sorted[from]! <= usualNs) end++
    if (end - from > best.end - best.from) best = { from, end }
  }
  return sorted[(best.from + best.end) >> 1]
}
