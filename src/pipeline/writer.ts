import type { MayWrite, Store, StoredRow } from '../store/store.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Consumer, OutMessage, Producer, TopicOffset } from '../transport/transport.js'
import { type Ending, endingKey, failureKey, packCheckpoint, packEnding, runKey } from './checkpoint.js'
import { type Counts, countRows } from './counts.js'
import { deadRow } from './deadLetter.js'
import type { Deliveries } from './deliveries.js'
import type { Log } from './log.js'
import { monotonicMs } from './monotonic.js'
import type { Partition } from './partition.js'
import type { TakenCheckpoint } from './sourceRun.js'

/** The group is asked when it was last heard of this share of the session timeout ago. */
const confirmedShare = 0.5

/**
 * Makes durable what partitions have finished, in the only order that is exact: first the rows are acknowledged, then the
 * checkpoints that count on them, then the offsets are committed. Killed in between, the next normalizer computes the same
 * rows again, and they replace themselves.
 */
export class Writer {
  /** When the group last said that this member is one of its own, at the earliest, on the monotonic clock. */
  private confirmedMs = -Infinity
  /** Since when rows have been on their way to the store, on the monotonic clock. */
  writingSinceMs: number | undefined
  private readonly committed = new Map<string, bigint>()
  private consumer: Consumer | undefined

  constructor(
    private readonly producer: Producer,
    private readonly store: Store,
    private readonly topics: Topics,
    private readonly counts: Counts,
    private readonly deliveries: Deliveries,
    private readonly log: Log,
    /** A member that its group has not heard of for so long may have lost its partitions to another one. */
    private readonly sessionTimeoutMs: number,
  ) {}

  assigned(consumer: Consumer): void {
    this.consumer = consumer
    this.confirmedMs = -Infinity
    this.committed.clear()
  }

  /**
   * Rows of all partitions go to the store together: it takes a few large requests much faster than many small ones.
   * @param current whether the partitions are still those of this process: another one may have taken them meanwhile.
   */
  async flush(partitions: Iterable<Partition>, current: () => boolean): Promise<void> {
    const taken = [...partitions].map((partition) => {
      const { rows, checkpoints } = partition
      partition.rows = []
      partition.checkpoints = []
      return { partition, rows, checkpoints }
    })
    let seen = this.deliveries.take()
    const first = taken[0]
    // What was seen of deliveries is this member's own, whoever has the partitions.
    const mayWrite = async () => first && (await this.requireMembership(first.partition, current))
    try {
      const rows = [...seen, ...taken.flatMap((entry) => entry.rows)]
      await this.writeRows(rows, mayWrite)
      seen = []
      for (const entry of taken) entry.rows = []
      for (const entry of taken) {
        // Older streams first: those of a capture that is replayed once more have the same rows. Were a newer one's kept alone, a restart would write
        // what the older one ended with over it.
        entry.checkpoints.sort((a, b) => (a.run.stream < b.run.stream ? -1 : 1))
        for (let next; (next = entry.checkpoints[0]) !== undefined; entry.checkpoints.shift())
          await this.keep(entry.partition, next, mayWrite)
        if (current()) await this.commit(entry.partition)
      }
    } catch (error) {
      // What was not acknowledged is not forgotten, and no checkpoint may claim it was.
      for (const { partition, rows, checkpoints } of taken) {
        partition.rows = [...rows, ...partition.rows]
        partition.checkpoints = [...checkpoints, ...partition.checkpoints]
      }
      this.deliveries.giveBack(seen)
      throw error
    }
  }

  /** Says that a track is taken as ended, before any row that follows from it can be written. */
  async keepEnding(partition: Partition, ending: Ending): Promise<void> {
    const key = endingKey(runKey(ending.source, ending.stream))
    await this.producer.send([this.note(partition, key, await packEnding(ending))])
  }

  /**
   * Notes beside their checkpoints that runs have failed; where that is noted already, the checkpoint is removed: every start would read all that has
   * come since, and fail again.
   * @param current as of `flush`.
   */
  async keepFailures(partition: Partition, current: () => boolean): Promise<void> {
    const { failures } = partition
    for (let key; (key = failures[0]) !== undefined; failures.shift()) {
      const hasFailedBefore = partition.hasFailedBefore(key)
      if (hasFailedBefore === undefined) continue
      await this.requireMembership(partition, current)
      if (!hasFailedBefore) {
        await this.producer.send([this.note(partition, failureKey(key), Buffer.from(new Date().toISOString()))])
        this.log.warn({ run: key }, 'the analysis failed: after a restart it is tried once more from its checkpoint')
        continue
      }
      await this.producer.send(this.tombstones(partition, key))
      this.log.error({ run: key }, 'the analysis failed again from the same checkpoint: it is removed')
    }
  }

  /** Deletes what is remembered of runs that were over before `wallMs`. */
  async expire(partition: Partition, wallMs: number): Promise<void> {
    const keys = partition.finishedBefore(wallMs)
    if (keys.length === 0) return
    await this.producer.send(keys.flatMap((key) => this.tombstones(partition, key)))
    partition.forget(keys)
    this.counts.checkpointsExpired += keys.length
    this.log.info({ partition: partition.number, runs: keys.length }, 'forgot runs that were over long ago')
  }

  /**
   * Commits where the partition stands. A member that the group has given up meanwhile (it was frozen, say) fails here: it must
   * decide nothing by the clock.
   */
  async confirm(partition: Partition): Promise<void> {
    await this.commitTo(this.offsets(partition))
  }

  /**
   * The fence. A process may be frozen at any instruction, and another member may have had its partitions since: rows and checkpoints
   * from before must not follow those of that one. So when the group has not said for a while that this member is alive, it is asked.
   * What has been handed to a socket before the freeze cannot be called back.
   * @throws Error when the group has given the partitions away, or cannot be asked.
   */
  private async requireMembership(partition: Partition, current: () => boolean): Promise<void> {
    if (monotonicMs() - this.confirmedMs >= this.sessionTimeoutMs * confirmedShare) await this.confirm(partition)
    if (!current()) throw new Error('the partitions were shared out anew while rows were written')
  }

  private async commitTo(offsets: readonly TopicOffset[]): Promise<void> {
    const askedMs = monotonicMs()
    await this.consumer!.commit(offsets)
    this.confirmedMs = askedMs
  }

  private async writeRows(rows: readonly StoredRow[], mayWrite: MayWrite): Promise<void> {
    if (rows.length === 0) return
    this.writingSinceMs = monotonicMs()
    const rejected = await this.store.write(rows, mayWrite).finally(() => (this.writingSinceMs = undefined))
    this.counts.dead.refused_row += rejected.length
    for (const { table, reason } of rejected) this.log.warn({ table, reason }, 'a row went to the dead letters')
    await this.producer.send(rejected.map((row) => deadRow(this.topics.deadLetter, row)))
    countRows(this.counts, rows)
  }

  private async keep(partition: Partition, checkpoint: TakenCheckpoint, mayWrite: MayWrite): Promise<void> {
    const { run, serialized, finished } = checkpoint
    const { source, stream } = run
    const value = await packCheckpoint(serialized)
    if (value === undefined) {
      this.counts.checkpointsTooLarge++
      this.log.error(
        { source, bytes: serialized.length },
        'a checkpoint is too large to be kept: a restart computes more again',
      )
      return
    }
    await mayWrite()
    await this.producer.send([this.note(partition, run.key, value)])
    partition.committed(checkpoint)
    this.counts.checkpoints++
    this.counts.checkpointBytes += value.length
    this.log.debug({ source, bytes: value.length, ofBytes: serialized.length }, 'kept a checkpoint')
    const unsaid = run.takeUnsaid()
    if (unsaid !== undefined)
      this.log.warn({ source, ...unsaid }, 'messages came twice, late or not at all, or were too many for a generation')
    if (finished) this.log.info({ source, stream }, 'the source has ended; all its rows are written')
  }

  private async commit(partition: Partition): Promise<void> {
    const offsets = this.offsets(partition).filter(
      ({ topic, offset }) => this.committed.get(`${topic}/${partition.number}`) !== offset,
    )
    if (offsets.length === 0) return
    try {
      await this.commitTo(offsets)
      for (const { topic, offset } of offsets) this.committed.set(`${topic}/${partition.number}`, offset)
    } catch (error) {
      // Nothing is lost: the checkpoints say more than the offsets, and the next flush commits again.
      this.log.warn({ reason: (error as Error).message }, 'the offsets could not be committed; trying again')
    }
  }

  private offsets(partition: Partition) {
    return tracks.map((track) => ({
      topic: this.topics[track],
      partition: partition.number,
      offset: partition.commitOffset(track),
    }))
  }

  private tombstones(partition: Partition, key: string): OutMessage[] {
    return [key, endingKey(key), failureKey(key)].map((each) => this.note(partition, each, null))
  }

  private note(partition: Partition, key: string, value: Uint8Array | null): OutMessage {
    return { topic: this.topics.checkpoints, partition: partition.number, key, headers: {}, value }
  }
}
