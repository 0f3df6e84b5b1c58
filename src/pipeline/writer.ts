import type { Store, StoredRow } from '../store/store.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Consumer, Producer } from '../transport/transport.js'
import { packCheckpoint } from './checkpoint.js'
import { deadRow } from './deadLetter.js'
import type { Log } from './log.js'
import type { Partition } from './partition.js'
import type { TakenCheckpoint } from './sourceRun.js'

/**
 * Makes durable what partitions have finished, in the only order that is exact: first the rows are acknowledged, then the
 * checkpoints that count on them, then the offsets are committed. Killed in between, the next normalizer computes the same
 * rows again, and they replace themselves.
 */
export class Writer {
  private readonly committed = new Map<string, bigint>()
  private consumer: Consumer | undefined

  constructor(
    private readonly producer: Producer,
    private readonly store: Store,
    private readonly topics: Topics,
    private readonly log: Log,
  ) {}

  assigned(consumer: Consumer): void {
    this.consumer = consumer
    this.committed.clear()
  }

  /** @param current whether the partitions are still those of this process: another one may have taken them meanwhile. */
  async flush(partitions: Iterable<Partition>, current: () => boolean): Promise<void> {
    for (const partition of partitions) {
      const { rows, checkpoints } = partition
      partition.rows = []
      partition.checkpoints = []
      try {
        await this.writeRows(rows)
      } catch (error) {
        // What was not acknowledged is not forgotten, and no checkpoint may claim it was.
        partition.rows = [...rows, ...partition.rows]
        partition.checkpoints = [...checkpoints, ...partition.checkpoints]
        throw error
      }
      for (const checkpoint of checkpoints) await this.keep(partition, checkpoint)
      if (!current()) return
      await this.commit(partition)
    }
  }

  private async writeRows(rows: readonly StoredRow[]): Promise<void> {
    if (rows.length === 0) return
    const rejected = await this.store.write(rows)
    for (const { table, reason } of rejected) this.log.warn({ table, reason }, 'a row went to the dead letters')
    await this.producer.send(rejected.map((row) => deadRow(this.topics.deadLetter, row)))
  }

  private async keep(partition: Partition, checkpoint: TakenCheckpoint): Promise<void> {
    const { run, serialized, finished } = checkpoint
    const { source, stream } = run
    const value = await packCheckpoint(serialized)
    await this.producer.send([
      { topic: this.topics.checkpoints, partition: partition.number, key: run.key, headers: {}, value },
    ])
    partition.committed(checkpoint)
    this.log.debug({ source, bytes: value.length, ofBytes: serialized.length }, 'kept a checkpoint')
    const counts = run.takeCounts()
    if (counts !== undefined) this.log.warn({ source, ...counts }, 'messages came twice, late or not at all')
    if (finished) this.log.info({ source, stream }, 'the source has ended; all its rows are written')
  }

  private async commit(partition: Partition): Promise<void> {
    const offsets = tracks
      .map((track) => ({
        topic: this.topics[track],
        partition: partition.number,
        offset: partition.commitOffset(track),
      }))
      .filter(({ topic, offset }) => this.committed.get(`${topic}/${partition.number}`) !== offset)
    if (offsets.length === 0) return
    try {
      await this.consumer!.commit(offsets)
      for (const { topic, offset } of offsets) this.committed.set(`${topic}/${partition.number}`, offset)
    } catch (error) {
      // Nothing is lost: the checkpoints say more than the offsets, and the next flush commits again.
      this.log.warn({ reason: (error as Error).message }, 'the offsets could not be committed; trying again')
    }
  }
}
