import type { Track } from '../transport/envelope.js'
import type { Topics } from '../transport/topics.js'
import type { Deliveries } from './deliveries.js'
import type { Log } from './log.js'
import { monotonicMs } from './monotonic.js'
import type { Partition } from './partition.js'
import { silentTrack } from './silence.js'
import type { SourceRun } from './sourceRun.js'
import type { Writer } from './writer.js'

export interface SilenceOptions {
  readonly topics: Topics
  readonly deliveries: Deliveries
  readonly log: Log
  readonly latenessMs: number
  readonly idleMs: number
  /** Whether Kafka has not answered for so long that nobody could say anything. */
  readonly kafkaIsAway: () => boolean
}

export type EndOffsets = (topic: string) => Promise<ReadonlyMap<number, bigint>>

/** Asks once for each topic: there may be a hundred runs that want to know. */
export function rememberingEndOffsets(consumer: { endOffsets: EndOffsets }): EndOffsets {
  const asked = new Map<string, ReturnType<EndOffsets>>()
  return (topic) => {
    const answer = asked.get(topic) ?? consumer.endOffsets(topic)
    asked.set(topic, answer)
    return answer
  }
}

/** Ends the tracks that have fallen silent, when Kafka confirms that nothing of them waits to be read. */
export class SilentTracks {
  /** Since when a run has waited for a track with nothing unread, while its other track is held back for it. */
  private readonly quietSinceMs = new WeakMap<SourceRun, number>()

  constructor(private readonly options: SilenceOptions) {}

  /**
   * @param heldBack the track of the partition that is not read because it is too far ahead.
   * @param endOffsets of a topic, as they were when this looking after silence began or later
   */
  async end(partition: Partition, heldBack: Track | undefined, endOffsets: EndOffsets, writer: Writer): Promise<void> {
    const { topics, log, deliveries, kafkaIsAway } = this.options
    for (const run of partition.openRuns) {
      const suspect = heldBack === undefined ? this.silent(run) : otherThan(heldBack, run)
      // What is asked for while Kafka is away is answered when it is back, before collectors have come to say anything.
      const isSpoken = () => kafkaIsAway() || (heldBack === undefined && this.silent(run) !== suspect)
      if (suspect === undefined) {
        this.quietSinceMs.delete(run)
        continue
      }
      // What has not been read yet is not silence.
      const end = (await endOffsets(topics[suspect])).get(partition.number) ?? 0n
      if (end > partition.consumed[suspect]) {
        this.quietSinceMs.delete(run)
        continue
      }
      const sinceMs = this.quietSinceMs.get(run) ?? monotonicMs()
      this.quietSinceMs.set(run, sinceMs)
      if (isSpoken() || (heldBack !== undefined && this.silent(run, sinceMs) === undefined)) continue
      await writer.confirm(partition)
      if (isSpoken()) continue
      await writer.keepEnding(partition, run.endingOf(suspect))
      log.warn({ source: run.source, track: suspect }, 'the track has been silent for too long and is taken as ended')
      deliveries.count('silent', run.sender, suspect)
      partition.endTrack(run, suspect, monotonicMs())
    }
  }

  private silent(run: SourceRun, heldBackSinceMs?: number): Track | undefined {
    const { latenessMs, idleMs } = this.options
    return silentTrack(run, monotonicMs(), latenessMs, idleMs, heldBackSinceMs)
  }
}

function otherThan(heldBack: Track, run: SourceRun): Track | undefined {
  return run.starving !== heldBack ? run.starving : undefined
}
