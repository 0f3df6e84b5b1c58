/**
 * Moments that both tracks tell of and that must coincide, save for a short delay in one direction. The runtime writes its event either just before
 * it enters the kernel or just after it has come back.
 */
export const MarkKind = {
  /** The network poller makes a goroutine runnable, after epoll_pwait has returned something. */
  Poll: 0,
  /** A goroutine enters a system call, before the kernel's sys_enter. */
  Enter: 1,
  /** It comes back, after the kernel's sys_exit. */
  Exit: 2,
  /** A thread gives up its P, before it goes to sleep. */
  Park: 3,
  /** A thread takes a P, after it was switched in. */
  Unpark: 4,
  /** Of Go alone: the last time before a network unblock that its thread began to run a goroutine. */
  Start: 5,
  /** Of perf alone: epoll_pwait returned nothing, for the first time since it returned something. */
  EmptyPoll: 6,
} as const
export type MarkKind = (typeof MarkKind)[keyof typeof MarkKind]

/** Whether Go's event comes before perf's record, by kind. */
export const goComesFirst: readonly boolean[] = [false, true, false, true, false, false, false]
export const markKinds = 7

/** More marks of one track than this are not kept: 12 bytes each. What lies behind is put on the axis by the last piece of the fit. */
const mostMarks = 4_000_000

/** The marks of one track in the order of arrival, times in ns since the base of its reader. */
export class Marks {
  size = 0
  times = new Float64Array(1024)
  /** tid × markKinds + kind */
  lanes = new Float64Array(1024)

  add(kind: MarkKind, tid: number, atNs: number): void {
    if (this.size >= mostMarks) return
    if (this.size === this.times.length) this.grow()
    this.times[this.size] = atNs
    this.lanes[this.size++] = tid * markKinds + kind
  }

  private grow(): void {
    const times = new Float64Array(this.size * 2)
    const lanes = new Float64Array(this.size * 2)
    times.set(this.times)
    lanes.set(this.lanes)
    this.times = times
    this.lanes = lanes
  }
}

/** Marks of one kind on one thread (tid -1: of all threads), by time. */
export interface Lane {
  readonly kind: MarkKind
  readonly tid: number
  readonly times: Float64Array
  /** Thread of each mark. */
  readonly tids: Float64Array
}

/**
 * Sorts marks into lanes.
 * @param pooled one lane for all threads: the threads of both tracks have no names in common
 */
export function toLanes(marks: Marks, pooled: boolean): Map<number, Lane> {
  const places = new Map<number, number[]>()
  for (let i = 0; i < marks.size; i++) {
    const lane = marks.lanes[i]!
    const key = pooled ? lane % markKinds : lane
    const list = places.get(key)
    if (list === undefined) places.set(key, [i])
    else list.push(i)
  }
  const lanes = new Map<number, Lane>()
  for (const [key, list] of places) {
    list.sort((a, b) => marks.times[a]! - marks.times[b]!)
    lanes.set(key, {
      kind: (key % markKinds) as MarkKind,
      tid: pooled ? -1 : Math.floor(key / markKinds),
      times: Float64Array.from(list, (i) => marks.times[i]!),
      tids: Float64Array.from(list, (i) => Math.floor(marks.lanes[i]! / markKinds)),
    })
  }
  return lanes
}

/** Index of the first time at or after `atNs`. */
export function firstAtOrAfter(times: Float64Array, atNs: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < atNs) low = middle + 1
    else high = middle
  }
  return low
}

/** A lane of each track, of the same kind and, unless pooled, of the same thread. */
export interface LanePair {
  readonly go: Lane
  readonly perf: Lane
}

export function pairLanes(go: ReadonlyMap<number, Lane>, perf: ReadonlyMap<number, Lane>): LanePair[] {
  return [...go].flatMap(([key, lane]) => {
    const other = perf.get(key)
    return other === undefined ? [] : [{ go: lane, perf: other }]
  })
}
