import { formatNs } from './units.js'

const shown = 3

/** What the kernel ran when it took the CPU of a thread that wanted to go on. */
export interface TookCpu {
  /** Thread name of somebody else → ns. */
  readonly others: ReadonlyMap<string, number>
  /** Other threads of the service, ns. */
  readonly ownNs: number
}

/** Somebody else's threads with the most time, the most first: [thread name, ns]. */
export function largestOthers({ others }: TookCpu): [comm: string, ns: number][] {
  return [...others].sort((a, b) => b[1] - a[1]).slice(0, shown)
}

/** Whether the service takes its CPUs from itself more than anybody else does. */
export function isMostlyOwn(took: TookCpu): boolean {
  return took.ownNs > (largestOthers(took)[0]?.[1] ?? 0)
}

/** "switched to instead: hog (500 ms), other threads of the service (20 ms)"; none when nothing is known. */
export function insteadLines(took: TookCpu): string[] {
  const names = largestOthers(took).map(([comm, ns]) => `${comm} (${formatNs(ns)})`)
  if (took.ownNs > 0) names.push(`other threads of the service (${formatNs(took.ownNs)})`)
  return names.length === 0 ? [] : [`switched to instead: ${names.join(', ')}`]
}

/** What to do where `isMostlyOwn`. */
export const ownStep =
  'threads of the service take the CPU from each other: more of them want to run than it has CPUs; GOMAXPROCS must not be larger than the CPUs it may use, and C code runs beside those'
