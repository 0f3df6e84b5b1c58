import type { Thresholds } from '../measures/measure.js'
import type { Store } from '../store/store.js'
import { decodeEnvelope, type Track } from '../transport/envelope.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Consumer, InMessage, Producer, Transport } from '../transport/transport.js'
import { deadMessage } from './deadLetter.js'
import { LoadingPartition, markerKey } from './loading.js'
import type { Log } from './log.js'
import { Mutex } from './mutex.js'
import { Partition } from './partition.js'
import { silentTrack } from './silence.js'
import { Writer } from './writer.js'

export interface NormalizerOptions {
  readonly transport: Transport
  readonly store: Store
  readonly topics: Topics
  readonly group: string
  readonly sessionTimeoutMs: number
  readonly log: Log
  readonly thresholds: Partial<Thresholds> | undefined
  readonly checkpointEveryMs: number
  readonly latenessMs: number
  /** A source of which nothing at all has come for so long is over. */
  readonly idleMs: number
  readonly maxPendingBytes: number
}

const tickMs = 500
/** Rows that are written without waiting for the next tick. */
const rowsPerFlush = 5000
/** How often the broker hears from a member that is busy, as a share of the session timeout. */
const aliveShare = 0.1

/**
 * Reads both raw tracks of its partitions, and writes the rows. Whatever is killed at whatever moment is repeated by the next
 * one: see Writer for the order that makes it exact.
 */
export class Normalizer {
  private readonly mutex = new Mutex()
  private readonly partitions = new Map<number, Partition>()
  private readonly loading = new Map<number, LoadingPartition>()
  private readonly paused = new Map<number, Track>()
  /** Counts assignments: work begun under an older one is not finished. */
  private assignment = 0
  private producer: Producer | undefined
  private writer: Writer | undefined
  private consumer: Consumer | undefined
  private ticker: NodeJS.Timeout | undefined

  constructor(private readonly options: NormalizerOptions) {}

  async start(): Promise<void> {
    const { transport, topics, group, sessionTimeoutMs, store, log } = this.options
    await store.prepare()
    this.producer = await transport.producer()
    this.writer = new Writer(this.producer, store, topics, log)
    await transport.consume({
      group,
      sessionTimeoutMs,
      topics: [topics.gotrace, topics.perf, topics.checkpoints],
      onAssigned: (numbers, consumer) => this.assigned(numbers, consumer),
      onMessages: (topic, partition, messages, alive) => this.whileAlive(alive, topic, partition, messages),
    })
    this.ticker = setInterval(
      () => void this.mutex.run(() => this.tick()).catch((error: unknown) => this.failed(error)),
      tickMs,
    )
  }

  /** Writes what is finished, keeps where it stands, and leaves the group. */
  async stop(): Promise<void> {
    clearInterval(this.ticker)
    await this.mutex.run(async () => {
      const now = Date.now()
      for (const partition of this.partitions.values())
        for (const run of partition.openRuns) partition.pump(run, now, 0)
      await this.flush()
    })
    await this.consumer?.stop()
    await this.producer?.close()
  }

  /** Called by the consumer in between two fetches: everything in memory belongs to the assignment that has just ended. */
  private assigned(numbers: readonly number[], consumer: Consumer): void {
    const assignment = ++this.assignment
    this.consumer = consumer
    this.partitions.clear()
    this.loading.clear()
    this.paused.clear()
    this.writer!.assigned(consumer)
    for (const number of numbers) {
      this.loading.set(number, new LoadingPartition())
      for (const track of tracks) consumer.pause(this.options.topics[track], number)
      consumer.resume(this.options.topics.checkpoints, number)
    }
    this.options.log.info({ partitions: numbers }, 'assigned; reading the checkpoints')
    void this.writeMarkers(assignment, numbers).catch((error: unknown) => this.failed(error))
  }

  private async writeMarkers(assignment: number, numbers: readonly number[]): Promise<void> {
    for (const partition of numbers) {
      const marker = { topic: this.options.topics.checkpoints, partition, key: markerKey, headers: {}, value: null }
      const offset = await this.producer!.sendOne(marker)
      if (assignment !== this.assignment) return
      this.loading.get(partition)?.setMarker(offset)
      await this.mutex.run(() => this.finishLoading(partition))
    }
  }

  private async whileAlive(
    alive: () => Promise<void>,
    topic: string,
    partition: number,
    messages: readonly InMessage[],
  ) {
    let lost: unknown
    const beat = setInterval(
      () => void alive().catch((error: unknown) => (lost = error)),
      this.options.sessionTimeoutMs * aliveShare,
    )
    try {
      await this.mutex.run(() => this.messages(topic, partition, messages))
    } finally {
      clearInterval(beat)
    }
    if (lost !== undefined) throw lost as Error
  }

  private async messages(topic: string, number: number, messages: readonly InMessage[]): Promise<void> {
    const { topics, log } = this.options
    if (topic === topics.checkpoints) {
      const loading = this.loading.get(number)
      for (const message of messages) {
        const problem = await loading?.accept(message)
        if (problem !== undefined) log.warn({ partition: number }, problem)
      }
      await this.finishLoading(number)
      return
    }
    const partition = this.partitions.get(number)
    if (partition === undefined) return
    const track = topic === topics.gotrace ? 'gotrace' : 'perf'
    for (const message of messages) {
      await this.accept(partition, track, topic, message)
      if (partition.rows.length >= rowsPerFlush) await this.flush()
    }
    this.steer(partition)
  }

  private async accept(partition: Partition, track: Track, topic: string, message: InMessage): Promise<void> {
    const reason = this.tryAccept(partition, track, message)
    partition.consumed[track] = message.offset + 1n
    if (reason === undefined) return
    const where = { topic, partition: partition.number }
    await this.producer!.send([deadMessage(this.options.topics.deadLetter, where, message, reason)])
    this.options.log.warn({ ...where, offset: String(message.offset), reason }, 'a message went to the dead letters')
  }

  /** @returns why the message is of no use, in one sentence. */
  private tryAccept(partition: Partition, track: Track, message: InMessage): string | undefined {
    const envelope = decodeEnvelope(message.headers)
    if (typeof envelope === 'string') return envelope
    if (envelope.track !== track) return `it says it is of track ${envelope.track}, and lies in the topic of ${track}`
    try {
      partition.accept(envelope, message, Date.now())
      return undefined
    } catch (error) {
      // One source must not hold up the others: the rest of its run is left out until a better program reads it again.
      partition.abandon(envelope)
      return `the analysis of ${envelope.source} failed: ${(error as Error).stack ?? String(error)}`
    }
  }

  private async finishLoading(number: number): Promise<void> {
    const loading = this.loading.get(number)
    if (loading?.complete !== true) return
    const { topics, log } = this.options
    const consumer = this.consumer!
    const assignment = this.assignment
    const committed = {
      gotrace: await consumer.committed(topics.gotrace, number),
      perf: await consumer.committed(topics.perf, number),
    }
    if (assignment !== this.assignment) return
    const partition = new Partition(number, this.options, loading.checkpoints, loading.startAt(committed), Date.now())
    this.loading.delete(number)
    this.partitions.set(number, partition)
    consumer.pause(topics.checkpoints, number)
    for (const track of tracks) {
      consumer.seek({ topic: topics[track], partition: number, offset: partition.startOffset[track] })
      consumer.resume(topics[track], number)
    }
    const { gotrace, perf } = partition.startOffset
    const runs = [...partition.openRuns].length
    log.info({ partition: number, gotrace: String(gotrace), perf: String(perf), runs }, 'reading')
  }

  private async tick(): Promise<void> {
    await this.endSilentTracks()
    await this.flush()
    for (const partition of this.partitions.values()) this.steer(partition)
  }

  private async flush(): Promise<void> {
    const assignment = this.assignment
    await this.writer!.flush(this.partitions.values(), () => assignment === this.assignment)
  }

  private async endSilentTracks(): Promise<void> {
    const { topics, log, latenessMs, idleMs } = this.options
    for (const partition of this.partitions.values())
      for (const run of partition.openRuns) {
        const silent = silentTrack(run, Date.now(), latenessMs, idleMs)
        if (silent === undefined || this.paused.get(partition.number) === silent) continue
        // What has not been read yet is not silence.
        const unread = await this.consumer!.endOffset(topics[silent], partition.number)
        if (unread > partition.consumed[silent]) continue
        log.warn({ source: run.source, track: silent }, 'the track has been silent for too long and is taken as ended')
        partition.endTrack(run, silent, Date.now())
      }
  }

  /** Holds the track back that is far ahead of the other one. */
  private steer(partition: Partition): void {
    const ahead = partition.trackAhead
    const before = this.paused.get(partition.number)
    if (ahead === before) return
    const { topics } = this.options
    if (before !== undefined) this.consumer!.resume(topics[before], partition.number)
    if (ahead !== undefined) this.consumer!.pause(topics[ahead], partition.number)
    if (ahead === undefined) this.paused.delete(partition.number)
    else this.paused.set(partition.number, ahead)
  }

  private failed(error: unknown): void {
    this.options.log.error(
      { reason: error instanceof Error ? error.message : String(error) },
      'something failed; going on',
    )
  }
}
