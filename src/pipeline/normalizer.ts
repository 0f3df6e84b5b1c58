import type { Thresholds } from '../measures/thresholds.js'
import type { Store } from '../store/store.js'
import type { Track } from '../transport/envelope.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Consumer, InMessage, Producer, Transport } from '../transport/transport.js'
import type { Counts } from './counts.js'
import { deadMessage } from './deadLetter.js'
import { type Deliveries, senderOf } from './deliveries.js'
import { LoadingPartition, markerKey } from './loading.js'
import type { Log } from './log.js'
import { monotonicMs } from './monotonic.js'
import { Mutex } from './mutex.js'
import { mostWaitingBytes, Partition } from './partition.js'
import { receive } from './reception.js'
import { rememberingEndOffsets, SilentTracks } from './silentTracks.js'
import type { Supervised } from './supervisor.js'
import { Writer } from './writer.js'
import { whileAlive } from './whileAlive.js'

export interface NormalizerOptions {
  readonly transport: Transport
  readonly store: Store
  readonly topics: Topics
  readonly group: string
  readonly sessionTimeoutMs: number
  readonly log: Log
  readonly counts: Counts
  readonly deliveries: Deliveries
  readonly thresholds: Partial<Thresholds> | undefined
  readonly checkpointEveryMs: number
  readonly latenessMs: number
  /** A source of which nothing at all has come for so long is over. */
  readonly idleMs: number
  /** Bytes that may wait for the other track, of all partitions together. */
  readonly maxPendingBytes: number
  /** That a run is over is remembered for so long: as long as its messages may be read again. */
  readonly rememberMs: number
}

const tickMs = 500
const expireEveryMs = 10_000
/** Rows that are written without waiting for the next tick. */
const rowsPerFlush = 5000

/**
 * Reads both raw tracks of its partitions, and writes the rows. Whatever is killed at whatever moment is repeated by the next
 * one: see Writer for the order that makes it exact.
 */
export class Normalizer implements Supervised {
  /** Grows with everything that is done. */
  progress = 0
  /** When Kafka last answered, on the monotonic clock. */
  kafkaAnsweredMs = monotonicMs()
  readonly partitions = new Map<number, Partition>()
  readonly loading = new Map<number, LoadingPartition>()
  readonly paused = new Map<number, Track>()
  writer: Writer | undefined
  consumer: Consumer | undefined
  private readonly mutex = new Mutex()
  private readonly silentTracks: SilentTracks
  /** Counts assignments: work begun under an older one is not finished. */
  private assignment = 0
  private producer: Producer | undefined
  private ticker: NodeJS.Timeout | undefined
  private expiredMs = monotonicMs()
  private readonly flushes = new Mutex()
  private isFlushing = false
  private stopping = false

  constructor(private readonly options: NormalizerOptions) {
    this.silentTracks = new SilentTracks({ ...options, kafkaIsAway: () => this.kafkaIsAway() })
  }

  async start(): Promise<void> {
    const { transport, topics, group, sessionTimeoutMs, store, log, counts, deliveries } = this.options
    await store.prepare()
    this.producer = await transport.producer()
    this.writer = new Writer(this.producer, store, topics, counts, deliveries, log, sessionTimeoutMs)
    this.ticker = setInterval(
      () => void this.mutex.run(() => this.tick()).catch((error: unknown) => this.failed(error)),
      tickMs,
    )
    await transport.consume({
      group,
      sessionTimeoutMs,
      topics: [topics.gotrace, topics.perf, topics.checkpoints],
      onAssigned: (numbers, consumer, continued) => this.assigned(numbers, consumer, continued),
      onMessages: (topic, partition, messages, alive) => {
        const { assignment } = this
        const work = () => this.messages(assignment, topic, partition, messages)
        return whileAlive(alive, sessionTimeoutMs, () => this.mutex.run(work))
      },
      onAnswer: () => this.kafkaAnswered(),
    })
  }

  /** Writes what is finished, keeps where it stands, and leaves the group. @throws Error when that cannot be done now. */
  async stop(): Promise<void> {
    this.stopping = true
    clearInterval(this.ticker)
    try {
      await this.mutex.run(async () => {
        for (const partition of this.partitions.values()) partition.takeCheckpoints(monotonicMs())
        this.options.deliveries.end()
        await this.flush()
      })
    } finally {
      await Promise.all([this.consumer?.stop(), this.producer?.close()])
    }
  }

  /**
   * Called by the consumer in between two fetches. What is in memory belongs to the assignment that has just ended; when the group
   * has known this member all the time, the partitions it keeps go on from there.
   */
  private assigned(numbers: readonly number[], consumer: Consumer, continued: boolean): void {
    const { topics, log, counts } = this.options
    const assignment = ++this.assignment
    this.consumer = consumer
    counts.assignments++
    const kept = numbers.filter((number) => continued && this.partitions.has(number))
    for (const number of this.partitions.keys())
      if (!kept.includes(number)) {
        this.partitions.delete(number)
        this.paused.delete(number)
      }
    this.loading.clear()
    this.writer!.assigned(consumer)
    for (const number of kept) this.read(this.partitions.get(number)!, this.partitions.get(number)!.consumed)
    const fresh = numbers.filter((number) => !kept.includes(number))
    for (const number of fresh) {
      this.loading.set(number, new LoadingPartition())
      for (const track of tracks) consumer.pause(topics[track], number)
      consumer.resume(topics.checkpoints, number)
    }
    log.info({ partitions: numbers, kept }, 'assigned; reading the checkpoints')
    void this.writeMarkers(assignment, fresh).catch((error: unknown) => this.failed(error))
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

  private async messages(assignment: number, topic: string, number: number, messages: readonly InMessage[]) {
    const { topics, log, counts } = this.options
    const current = () => assignment === this.assignment && !this.stopping
    if (!current()) return
    if (topic === topics.checkpoints) {
      const loading = this.loading.get(number)
      for (const message of messages) {
        const problem = await loading?.accept(message)
        this.progress++
        if (problem === undefined) continue
        counts.checkpointsUnusable++
        log.warn({ partition: number }, problem)
      }
      await this.finishLoading(number)
      return
    }
    const partition = this.partitions.get(number)
    if (partition === undefined) return
    const track = topic === topics.gotrace ? 'gotrace' : 'perf'
    for (const message of messages) {
      // A partition that was kept may be given again what was under way.
      if (message.offset < partition.consumed[track]) continue
      await this.accept(partition, track, topic, message)
      if (partition.rows.length >= rowsPerFlush)
        await this.flush().catch((error: unknown) => {
          // Whoever has the partition now writes these rows.
          if (current()) throw error
        })
      if (!current()) return
    }
    this.steer(partition)
  }

  private async accept(partition: Partition, track: Track, topic: string, message: InMessage): Promise<void> {
    const { counts, deliveries, log, topics } = this.options
    const refusal = receive(partition, track, message, counts)
    partition.consumed[track] = message.offset + 1n
    this.progress++
    if (refusal === undefined) return
    deliveries.dead(
      refusal.kind,
      senderOf(message, (source) => partition.known(source)),
      track,
    )
    // Of a batch that cannot be unpacked the first message has the bytes of all.
    if (refusal.kind === 'unreadable' && message.value.byteLength === 0) return
    const where = { topic, partition: partition.number }
    await this.producer!.send([deadMessage(topics.deadLetter, where, message, refusal)])
    log.warn({ ...where, offset: String(message.offset), ...refusal }, 'a message went to the dead letters')
  }

  private async finishLoading(number: number): Promise<void> {
    const loading = this.loading.get(number)
    if (loading?.complete !== true) return
    const { topics, log, counts } = this.options
    const consumer = this.consumer!
    const assignment = this.assignment
    const committed = {
      gotrace: (await consumer.committed(topics.gotrace)).get(number) ?? 0n,
      perf: (await consumer.committed(topics.perf)).get(number) ?? 0n,
    }
    if (assignment !== this.assignment) return
    const partition = new Partition(number, this.options, loading, committed, monotonicMs())
    counts.checkpointsUnusable += partition.problems.length
    this.tellProblems(partition)
    this.loading.delete(number)
    this.partitions.set(number, partition)
    this.read(partition, partition.startOffset)
    const { gotrace, perf } = partition.startOffset
    const runs = [...partition.openRuns].length
    log.info({ partition: number, gotrace: String(gotrace), perf: String(perf), runs }, 'reading')
  }

  private tellProblems(partition: Partition): void {
    for (const problem of partition.problems) this.options.log.warn({ partition: partition.number }, problem)
    partition.problems = []
  }

  private read({ number }: Partition, from: Readonly<Record<Track, bigint>>): void {
    const { topics } = this.options
    const consumer = this.consumer!
    consumer.pause(topics.checkpoints, number)
    for (const track of tracks) {
      consumer.seek({ topic: topics[track], partition: number, offset: from[track] })
      if (this.paused.get(number) === track) consumer.pause(topics[track], number)
      else consumer.resume(topics[track], number)
    }
  }

  private kafkaIsAway(): boolean {
    return monotonicMs() - this.kafkaAnsweredMs > this.options.latenessMs
  }

  /** When Kafka was away, no collector has been silent: they are waited for anew. */
  private kafkaAnswered(): void {
    const nowMs = monotonicMs()
    if (this.kafkaIsAway())
      for (const partition of this.partitions.values()) for (const run of partition.openRuns) run.waitAnew(nowMs)
    this.kafkaAnsweredMs = nowMs
  }

  private async tick(): Promise<void> {
    const { rememberMs } = this.options
    const { assignment } = this
    const partitions = [...this.partitions.values()]
    const endOffsets = rememberingEndOffsets(this.consumer!)
    for (const partition of partitions)
      await this.silentTracks.end(partition, this.paused.get(partition.number), endOffsets, this.writer!)
    for (const partition of partitions) this.tellProblems(partition)
    // Nobody waits for the store: more is computed meanwhile, until as much waits as one flush should hold.
    if (!this.isFlushing) void this.flush().catch((error: unknown) => this.failed(error))
    for (const partition of this.partitions.values()) this.steer(partition)
    for (const partition of partitions) await this.writer!.keepFailures(partition, () => assignment === this.assignment)
    if (monotonicMs() - this.expiredMs < expireEveryMs) return
    this.expiredMs = monotonicMs()
    for (const partition of this.partitions.values()) {
      partition.forgetAbandonedBefore(Date.now() - rememberMs)
      await this.writer!.expire(partition, Date.now() - rememberMs)
    }
  }

  /** Writes what is finished, once what is on its way has arrived. */
  private flush(): Promise<void> {
    return this.flushes.run(() => this.flushNow())
  }

  private async flushNow(): Promise<void> {
    this.isFlushing = true
    const assignment = this.assignment
    const waiting = this.waitingRows + this.options.deliveries.waiting
    try {
      await this.writer!.flush(this.partitions.values(), () => assignment === this.assignment)
    } finally {
      this.isFlushing = false
    }
    if (waiting > 0) this.progress++
  }

  /** Something else waits to be done than messages that are in Kafka. */
  get hasWork(): boolean {
    return this.loading.size > 0 || this.waitingRows > 0
  }

  get writingSinceMs(): number | undefined {
    return this.writer?.writingSinceMs
  }

  notReady(): string[] {
    const reasons = [...this.loading.keys()].map(
      (number) => `partition ${number}: its checkpoints are still being read`,
    )
    return this.consumer === undefined ? ['it has not joined its group yet', ...reasons] : reasons
  }

  async tend(): Promise<void> {
    const { store, counts, log } = this.options
    const resumed = await store.tend()
    if (resumed.length === 0) return
    counts.resumedTables += resumed.length
    log.warn({ tables: resumed }, 'QuestDB had suspended tables (a full disk does that); they are resumed')
  }

  /** Rows in memory that the store has not acknowledged. */
  get waitingRows(): number {
    let rows = 0
    for (const partition of this.partitions.values()) rows += partition.rows.length
    return rows
  }

  /** Holds the track back that is far ahead of the other one. */
  private steer(partition: Partition): void {
    const ahead = partition.trackAhead(mostWaitingBytes([...this.partitions.values()], this.options.maxPendingBytes))
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
