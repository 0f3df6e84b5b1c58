import type { Track } from '../../transport/envelope.js'
import { tracks } from '../../transport/topics.js'
import type { StreamIdentity } from '../shipper.js'
import type { InputStatus } from './status.js'
import { shipperOf, type TrackDestination, type TrackShipper } from './trackShipper.js'

/** perf text waits at most so long for a message to fill up. */
const flushEveryMs = 250

/**
 * One run of a source on its way to Kafka. While nothing comes of a track that `isAlive`, it says so: a process may have nothing to do, and
 * what little perf tells of it lies in the buffer of perf script.
 */
export class ShippedRun {
  /** Those that go on. */
  private readonly shippers = new Map<Track, TrackShipper>()
  private readonly flusher: NodeJS.Timeout

  constructor(identity: StreamIdentity, to: TrackDestination, status: InputStatus, isAlive: (track: Track) => boolean) {
    for (const track of tracks)
      if (identity.tracks.split(',').includes(track)) this.shippers.set(track, shipperOf(track, identity, to, status))
    this.flusher = setInterval(() => {
      for (const [track, shipper] of this.shippers) void shipper.tick(isAlive(track))
    }, flushEveryMs)
  }

  /** Bytes of a track that goes on, in order; of one that has ended they are left out. */
  async push(track: Track, chunk: Uint8Array): Promise<void> {
    await this.shippers.get(track)?.push(chunk)
  }

  isEnded(track: Track): boolean {
    return !this.shippers.has(track)
  }

  /** Ships the rest of a track, and that it is over. */
  async end(track: Track): Promise<void> {
    const shipper = this.shippers.get(track)
    this.shippers.delete(track)
    if (this.shippers.size === 0) clearInterval(this.flusher)
    await shipper?.end()
  }

  async endAll(): Promise<void> {
    for (const track of tracks) await this.end(track)
  }
}
