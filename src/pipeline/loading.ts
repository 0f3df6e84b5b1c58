import type { Track } from '../transport/envelope.js'
import type { InMessage } from '../transport/transport.js'
import { type Checkpoint, runKey, unpackCheckpoint } from './checkpoint.js'

/** Key of the message a normalizer writes to learn where the checkpoints end; it deletes itself on compaction. */
export const markerKey = '#reader'

/**
 * The checkpoints of one partition while they are read. They are complete when the reader meets the marker it has written
 * itself, whatever compaction has removed before it.
 */
export class LoadingPartition {
  private readonly latest = new Map<string, Checkpoint>()
  /** Runs whose checkpoint cannot be used: their messages must be read again from as far back as there are any. */
  private unusable = 0
  private readUpTo = -1n
  private marker: bigint | undefined

  /** @returns one sentence for a checkpoint that cannot be used. */
  async accept({ offset, key, value }: InMessage): Promise<string | undefined> {
    let problem: string | undefined
    if (key !== markerKey && value.length === 0) this.latest.delete(key)
    else if (key !== markerKey) {
      try {
        const checkpoint = await unpackCheckpoint(value)
        this.latest.set(runKey(checkpoint.source, checkpoint.stream), checkpoint)
      } catch (error) {
        this.unusable++
        problem = `the checkpoint of ${key} cannot be used (${(error as Error).message}): it is computed anew from the raw data`
      }
    }
    this.readUpTo = offset
    return problem
  }

  setMarker(offset: bigint): void {
    this.marker = offset
  }

  get complete(): boolean {
    return this.marker !== undefined && this.readUpTo >= this.marker
  }

  get checkpoints(): IterableIterator<Checkpoint> {
    return this.latest.values()
  }

  /** Where the group goes on, given what it has committed. */
  startAt(committed: Readonly<Record<Track, bigint>>): Readonly<Record<Track, bigint>> {
    return this.unusable > 0 ? { gotrace: 0n, perf: 0n } : committed
  }
}
