import type { ClockPiece } from '../map.js'
import type { Line } from './line.js'

/** A line that bends by more than this is cut in two. */
const bendNs = 5e3
const fewestPoints = 8

/** The difference at one moment of Go's time. */
export interface Point {
  readonly goNs: number
  readonly offsetNs: number
}

/** Straight lines through points in the order of time. */
export function straightLines(points: readonly Point[]): { readonly line: Line; readonly fromNs: number }[] {
  const line = throughAll(points)
  if (points.length < 2 * fewestPoints) return [{ line, fromNs: points[0]!.goNs }]
  const worst = worstBend(points, line)
  if (worst.ns <= bendNs) return [{ line, fromNs: points[0]!.goNs }]
  const at = Math.min(Math.max(worst.at, fewestPoints), points.length - fewestPoints)
  return [...straightLines(points.slice(0, at)), ...straightLines(points.slice(at))]
}

/** Least squares, once more without those that lie far out. */
export function throughAll(points: readonly Point[]): Line {
  const first = leastSquares(points)
  const residuals = points.map((point) => Math.abs(residualOf(point, first)))
  const limit = 3 * (residuals.toSorted((a, b) => a - b)[points.length >> 1] ?? 0) + 100
  const near = points.filter((_, i) => residuals[i]! <= limit)
  return near.length < 2 ? first : leastSquares(near)
}

function leastSquares(points: readonly Point[]): Line {
  const n = points.length
  const atNs = points.reduce((sum, point) => sum + point.goNs, 0) / n
  const offsetNs = points.reduce((sum, point) => sum + point.offsetNs, 0) / n
  let square = 0
  let product = 0
  for (const point of points) {
    square += (point.goNs - atNs) ** 2
    product += (point.goNs - atNs) * (point.offsetNs - offsetNs)
  }
  return { atNs, offsetNs, driftPpm: square === 0 ? 0 : (product / square) * 1e6 }
}

function residualOf(point: Point, line: Line): number {
  return point.offsetNs - line.offsetNs - (point.goNs - line.atNs) * line.driftPpm * 1e-6
}

/** The largest distance from the line that three points in a row share: one alone is noise. */
function worstBend(points: readonly Point[], line: Line): { ns: number; at: number } {
  let worst = { ns: 0, at: 0 }
  for (let i = 1; i + 1 < points.length; i++) {
    const three = [points[i - 1]!, points[i]!, points[i + 1]!].map((point) => residualOf(point, line))
    const ns = Math.abs(three.sort((a, b) => a - b)[1]!)
    if (ns > worst.ns) worst = { ns, at: i }
  }
  return worst
}

/** The same line as a function of perf's time. */
export function toPiece(line: Line, fromPerfNs: number): ClockPiece {
  const rate = line.driftPpm * 1e-6
  return {
    fromPerfNs,
    anchorPerfNs: line.atNs + line.offsetNs,
    offsetNs: line.offsetNs,
    driftPpm: (rate / (1 + rate)) * 1e6,
  }
}
