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

/** Buckets of which one second's is asked for again and again: it is at hand. `seconds` is changed by nobody else. */
export class Buckets<T> {
  /** Where the second ends whose bucket was asked for last. */
  endNs = -Infinity
  private startNs = Infinity
  private bucket!: T

  constructor(
    private readonly seconds: Seconds<T>,
    private readonly sink: Sink,
    private readonly make: () => T,
  ) {}

  /** The bucket of the second that contains `atNs`, made when missing. */
  at(atNs: number): T {
    return atNs >= this.startNs && atNs < this.endNs ? this.bucket : this.turnTo(atNs)
  }

  /** Takes out the buckets of the seconds that have ended by `beforeNs`, oldest first. */
  takeEnded(beforeNs: number): { startNs: number; bucket: T }[] {
    this.startNs = Infinity
    return takeEnded(this.seconds, this.sink, beforeNs)
  }

  private turnTo(atNs: number): T {
    const { sink } = this
    const second = sink.secondOf(atNs)
    this.startNs = sink.startOf(second)
    this.endNs = sink.startOf(second + 1)
    return (this.bucket = bucketAt(this.seconds, sink, atNs, this.make))
  }
}
