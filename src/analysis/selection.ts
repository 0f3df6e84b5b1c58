/** A part of the axis, ns. */
export interface Interval {
  readonly fromNs: number
  readonly toNs: number
}

/** What is told to the measures; the timeline itself follows everything, so that states are right when a selection begins. */
export interface Selection {
  /** Sorted, without overlap. */
  readonly intervals: readonly Interval[]
  /** Only these goroutines, each within its own intervals as well, to which the event belongs that ends one; undefined = all. */
  readonly goroutines?: ReadonlyMap<number, readonly Interval[]> | undefined
  /** User tasks whose begin, end and logs are selected, whoever tells of them. */
  readonly tasks?: ReadonlySet<number> | undefined
}

/** What a selection can be made from when the first event is there. */
export interface SelectableAxis {
  /** Time of the first event. */
  readonly firstNs: number
  /** Moment of the axis for ns since the epoch. */
  atWall(wallNs: bigint): number
}

export type Select = (axis: SelectableAxis) => Selection

export const always: Interval = { fromNs: -Infinity, toNs: Infinity }

/** Sorted, and overlapping ones made one. */
export function united(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.filter(({ fromNs, toNs }) => toNs > fromNs).sort((a, b) => a.fromNs - b.fromNs)
  const result: Interval[] = []
  for (const next of sorted) {
    const last = result.at(-1)
    if (last === undefined || next.fromNs > last.toNs) result.push(next)
    else if (next.toNs > last.toNs) result[result.length - 1] = { fromNs: last.fromNs, toNs: next.toNs }
  }
  return result
}

/** A moment belongs to the interval that begins with it, not to the one that ends there. */
export function holds(intervals: readonly Interval[], atNs: number): boolean {
  const at = firstEndingAfter(intervals, atNs)
  return at < intervals.length && intervals[at]!.fromNs <= atNs
}

export function overlaps(intervals: readonly Interval[], fromNs: number, toNs: number): boolean {
  const at = firstEndingAfter(intervals, fromNs)
  return at < intervals.length && intervals[at]!.fromNs <= toNs
}

/** Tells the parts of a piece that lie in the intervals. */
export function clip(
  intervals: readonly Interval[],
  fromNs: number,
  toNs: number,
  visit: (fromNs: number, toNs: number) => void,
): void {
  for (let at = firstEndingAfter(intervals, fromNs); at < intervals.length; at++) {
    const interval = intervals[at]!
    if (interval.fromNs >= toNs) return
    visit(Math.max(fromNs, interval.fromNs), Math.min(toNs, interval.toNs))
  }
}

/** The parts of the intervals between two moments. */
export function clipped(intervals: readonly Interval[], fromNs: number, toNs: number): Interval[] {
  const parts: Interval[] = []
  clip(intervals, fromNs, toNs, (a, b) => parts.push({ fromNs: a, toNs: b }))
  return parts
}

function firstEndingAfter(intervals: readonly Interval[], atNs: number): number {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (intervals[middle]!.toNs > atNs) high = middle
    else low = middle + 1
  }
  return low
}

/** A selection, made when the first thing is told; whoever follows the events says what there is to make it from. */
export class Gate {
  /** Set by the analysis. */
  axis: (() => SelectableAxis) | undefined
  private made: Selection | undefined
  private readonly heard = new Set<number>()

  constructor(private readonly select: Select) {}

  get selection(): Selection {
    if (this.made === undefined) {
      if (this.axis === undefined) throw new Error('a selection is made once an analysis has begun')
      this.made = this.select(this.axis())
    }
    return this.made
  }

  /** Chosen goroutines of which no time has been told, selected or not. */
  get unheard(): number[] {
    return [...(this.selection.goroutines?.keys() ?? [])].filter((goid) => !this.heard.has(goid))
  }

  at(atNs: number): boolean {
    return holds(this.selection.intervals, atNs)
  }

  /** Whether the event that a user task begins, ends or logs is selected whoever tells of it. */
  ofTask(id: number, atNs: number): boolean {
    return this.selection.tasks?.has(id) === true && this.at(atNs)
  }

  /** Whether something about a goroutine (-1 = about none) at a moment is selected. */
  of(goid: number, atNs: number): boolean {
    return this.at(atNs) && this.takes(goid, atNs)
  }

  during(goid: number, fromNs: number, toNs: number): boolean {
    const { intervals, goroutines } = this.selection
    if (!overlaps(intervals, fromNs, toNs)) return false
    return goroutines === undefined || overlaps(goroutines.get(goid) ?? [], fromNs, toNs)
  }

  clip(goid: number, fromNs: number, toNs: number, visit: (fromNs: number, toNs: number) => void): void {
    const { intervals, goroutines } = this.selection
    if (goroutines === undefined) return clip(intervals, fromNs, toNs, visit)
    const own = goroutines.get(goid)
    if (own === undefined) return
    this.heard.add(goid)
    clip(own, fromNs, toNs, (partFromNs, partToNs) => clip(intervals, partFromNs, partToNs, visit))
  }

  /** How much of a goroutine's time is selected, ns. */
  lengthOf(goid: number, fromNs: number, toNs: number): number {
    let ns = 0
    this.clip(goid, fromNs, toNs, (a, b) => (ns += b - a))
    return ns
  }

  private takes(goid: number, atNs: number): boolean {
    const { goroutines } = this.selection
    if (goroutines === undefined) return true
    const own = goroutines.get(goid)
    return own !== undefined && (holds(own, atNs) || own.some(({ toNs }) => toNs === atNs))
  }
}
