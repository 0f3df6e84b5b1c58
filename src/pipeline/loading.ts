import type { InMessage } from '../transport/transport.js'
import { type Checkpoint, checkpointVersion, type Ending, isEndingKey, isFailureKey, runKey } from './checkpoint.js'
import { endingKey, failureKey, unpackCheckpoint, unpackEnding } from './checkpoint.js'

/** Key of the message a normalizer writes to learn where the checkpoints end; it deletes itself on compaction. */
export const markerKey = '#reader'

/**
 * The checkpoints of one partition while they are read. They are complete when the reader meets the marker it has written
 * itself, whatever compaction has removed before it.
 */
export class LoadingPartition {
  private readonly latest = new Map<string, Checkpoint>()
  private readonly ended = new Map<string, Ending>()
  private readonly foreign = new Map<string, Checkpoint>()
  private readonly failed = new Set<string>()
  private readUpTo = -1n
  private marker: bigint | undefined

  /** @returns one sentence for a checkpoint that cannot be used. */
  async accept({ offset, key, value }: InMessage): Promise<string | undefined> {
    const problem = key === markerKey ? undefined : await this.keep(key, value)
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

  /** Endings by the key of their run. */
  get endings(): ReadonlyMap<string, Ending> {
    return this.ended
  }

  /** Checkpoints whose state another version has written: only the places they tell can be used. */
  get placesOnly(): IterableIterator<Checkpoint> {
    return this.foreign.values()
  }

  /** Keys of the runs whose analysis has failed on what follows their checkpoint. */
  get failures(): ReadonlySet<string> {
    return this.failed
  }

  private async keep(key: string, value: Uint8Array): Promise<string | undefined> {
    if (isFailureKey(key)) {
      if (value.length > 0) this.failed.add(key.slice(0, -failureKey('').length))
      return undefined
    }
    this.failed.delete(key)
    this.latest.delete(key)
    this.foreign.delete(key)
    if (isEndingKey(key)) this.ended.delete(key.slice(0, -endingKey('').length))
    if (value.length === 0) return undefined
    try {
      if (isEndingKey(key)) {
        const ending = await unpackEnding(value)
        this.ended.set(runKey(ending.source, ending.stream), ending)
        return undefined
      }
      const checkpoint = await unpackCheckpoint(value)
      // That a run is over needs no state to be resumed from.
      if (checkpoint.version === checkpointVersion || checkpoint.saved === undefined) {
        this.latest.set(key, checkpoint)
        return undefined
      }
      this.foreign.set(key, checkpoint)
      return undefined
    } catch (error) {
      // The group stands before all that the run still needs.
      return unusableSentence(
        key,
        (error as Error).message,
        'it goes on with what comes next, as one whose beginning is missing',
      )
    }
  }
}

export function unusableSentence(key: string, reason: string, instead: string): string {
  return `the checkpoint of ${key} cannot be used (${reason}): ${instead}`
}
