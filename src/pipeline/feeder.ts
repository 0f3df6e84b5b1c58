import type { Analysis, SavedAnalysis } from '../analysis/analysis.js'
import type { Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import type { Fed } from './intake.js'

interface Waiting extends Fed {
  readonly shippedAtMs: number | undefined
  /** The bytes are not part of the batch they came in, which may be many times as large. */
  readonly own: boolean
}

/** What the analysis gets at a time: the windows of its readers are a few times as large, for every source there is. */
const portionBytes = 64 * 1024

/** Keeps what has come of both tracks, and gives the analysis a little of the one it asks for. */
export class Feeder {
  private readonly waiting: Record<Track, Waiting[]> = { gotrace: [], perf: [] }
  private readonly waitingBytes: Record<Track, number> = { gotrace: 0, perf: 0 }
  private readonly ended: Record<Track, boolean> = { gotrace: false, perf: false }

  constructor(private readonly analysis: Analysis) {}

  add(track: Track, { bytes, gapBytes }: Fed, shippedAtMs?: number): void {
    this.waiting[track].push({ bytes, gapBytes, shippedAtMs, own: false })
    this.waitingBytes[track] += bytes.length
  }

  /** Nothing is added to this track any more. */
  end(track: Track): void {
    this.ended[track] = true
  }

  /** Bytes that wait, here or in the readers. */
  get pendingBytes(): Readonly<Record<Track, number>> {
    const { waitingBytes, analysis } = this
    const read = analysis.pendingBytes
    return { gotrace: waitingBytes.gotrace + read.gotrace, perf: waitingBytes.perf + read.perf }
  }

  /** Processes what there is. `onCheckpoint` is called once at most, and must copy the state before it returns. */
  pump(onCheckpoint?: (saved: SavedAnalysis) => void): void {
    let wanted = onCheckpoint
    const once = (saved: SavedAnalysis) => {
      wanted?.(saved)
      wanted = undefined
    }
    do this.analysis.pump(wanted && once)
    while (this.give(this.analysis.starving))
    for (const track of tracks) this.keepOnlyOwn(this.waiting[track])
  }

  /** @returns whether there was something to give. */
  private give(track: Track | undefined): boolean {
    if (track === undefined) return false
    const first = this.waiting[track].shift()
    if (first === undefined) {
      if (this.ended[track]) this.analysis.end(track)
      return this.ended[track]
    }
    const { bytes, gapBytes, shippedAtMs } = first
    if (gapBytes > 0) this.analysis.gap(track, gapBytes)
    this.analysis.feed(track, bytes.subarray(0, portionBytes), shippedAtMs)
    this.waitingBytes[track] -= Math.min(portionBytes, bytes.length)
    if (bytes.length > portionBytes)
      this.waiting[track].unshift({ ...first, bytes: bytes.subarray(portionBytes), gapBytes: 0 })
    return true
  }

  private keepOnlyOwn(waiting: Waiting[]): void {
    for (let at = waiting.length - 1; at >= 0 && !waiting[at]!.own; at--)
      waiting[at] = { ...waiting[at]!, bytes: new Uint8Array(waiting[at]!.bytes), own: true }
  }
}
