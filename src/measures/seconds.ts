import type { Sink } from './measure.js'

/** Buckets by wall-clock second, as plain data. */
export type Seconds<T> = Map<number, T>

/** The bucket of the second that contains `atNs`, made when missing. */
export function bucketAt<T>(seconds: Seconds<T>, sink: Sink, atNs: number, make: () => T): T {
  const second = sink.secondOf(atNs)
  let bucket = seconds.get(second)
  if (bucket === undefined) seconds.set(second, (bucket = make()))
  return bucket
}

/** Takes out the buckets of the seconds that have ended by `beforeNs`, oldest first. */
export function takeEnded<T>(seconds: Seconds<T>, sink: Sink, beforeNs: number): { startNs: number; bucket: T }[] {
  const ended = [...seconds.keys()].filter((second) => sink.startOf(second + 1) <= beforeNs).sort((a, b) => a - b)
  return ended.map((second) => {
    const bucket = seconds.get(second)!
    seconds.delete(second)
    return { startNs: sink.startOf(second), bucket }
  })
}

/** Cuts an interval at the wall-clock seconds. */
export function eachSecond(
  sink: Sink,
  fromNs: number,
  toNs: number,
  visit: (fromNs: number, toNs: number) => void,
): void {
  for (let atNs = fromNs; atNs < toNs;) {
    const endNs = Math.min(toNs, sink.startOf(sink.secondOf(atNs) + 1))
    visit(atNs, endNs)
    atNs = endNs
  }
}
