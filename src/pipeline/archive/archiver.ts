import type { RetentionLimits } from '../../archive/retention.js'
import { Lease } from '../../archive/lease.js'
import type { ArchiveKeeper } from '../../archive/streamWriter.js'
import { decodeEnvelope, type Envelope, type Track } from '../../transport/envelope.js'
import { maxValueBytes, type Topics, tracks } from '../../transport/topics.js'
import type { Consumer, InMessage, Transport } from '../../transport/transport.js'
import { runKey } from '../checkpoint.js'
import type { Log } from '../log.js'
import { monotonicMs } from '../monotonic.js'
import { Mutex } from '../mutex.js'
import { unlessAborted } from '../../retry.js'
import { ArchivedRun } from './archivedRun.js'
import { PatientDisk } from './patientDisk.js'
import { Retaining } from './retaining.js'
import type { Supervised } from '../supervisor.js'
import type { StuckCause } from '../watchdog.js'
import { whileAlive } from '../whileAlive.js'

export interface ArchiverOptions {
  readonly transport: Transport
  readonly topics: Topics
  readonly group: string
  readonly sessionTimeoutMs: number
  readonly archive: string
  readonly log: Log
  /** What has come is written so often … */
  readonly flushEveryMs: number
  /** … or when it is so much. */
  readonly maxPendingBytes: number
  /** A run of which nothing has come for so long is forgotten; what is on the disk tells how it goes on. */
  readonly idleMs: number
  readonly retention: RetentionLimits
  readonly retentionEveryMs: number
  /** Ends all waiting for a disk that is full. */
  readonly signal: AbortSignal
}

/** Everything an archiver counts since it started. */
export const newArchiveCounts = () => ({
  messages: 0,
  bytes: 0,
  unusable: 0,
  duplicates: 0,
  late: 0,
  gaps: 0,
  lostBytes: 0,
  flushes: 0,
  failedWrites: 0,
  damagedCaptures: 0,
  failedRuns: 0,
  deletedCaptures: 0,
  deletedBytes: 0,
  failedRetentions: 0,
  stuck: { kafka: 0, disk: 0, consumer: 0 } as Record<StuckCause<'disk'>, number>,
})

const tickMs = 500

export interface PartitionState {
  /** Offset after the last message handled. */
  readonly consumed: Partial<Record<Track, bigint>>
  readonly runs: Map<string, ArchivedRun>
}

/**
 * Writes both raw tracks into the archive. First the bytes and the manifest that vouches for them are on the disk, then the offsets are
 * committed; what comes again after a crash the manifests know. So every byte is there once, whatever is killed at whatever moment.
 */
export class Archiver implements Supervised {
  readonly counts = newArchiveCounts()
  /** Grows with everything that is done. */
  progress = 0
  /** When Kafka last answered, on the monotonic clock. */
  kafkaAnsweredMs = monotonicMs()
  /** Since when the disk has been used, on the monotonic clock. */
  writingSinceMs: number | undefined
  partitions: ReadonlyMap<number, PartitionState> = new Map()
  consumer: Consumer | undefined
  private readonly mutex = new Mutex()
  private lease: Lease | undefined
  private ticker: NodeJS.Timeout | undefined
  private assignment = 0
  private flushedMs = monotonicMs()
  private stopping = false
  private readonly retaining: Retaining
  private readonly disk: PatientDisk
  private readonly keeper: ArchiveKeeper = {
    hold: (directories) => this.lease!.add(directories),
    insist: (attempt) => this.disk.useDamaged(attempt, () => undefined),
  }

  constructor(private readonly options: ArchiverOptions) {
    this.disk = new PatientDisk(options, this.counts)
    this.retaining = new Retaining(options, this.counts)
  }

  /** @param failed is told of what cannot be helped by trying again */
  async start(failed: (error: unknown) => void): Promise<void> {
    const { transport, topics, group, sessionTimeoutMs, archive } = this.options
    this.lease = await Lease.take(archive, [])
    await transport.consume({
      group,
      sessionTimeoutMs,
      topics: [topics.gotrace, topics.perf],
      onAssigned: (numbers, consumer) => this.assigned(numbers, consumer),
      onMessages: (topic, partition, messages, alive) => {
        const { assignment } = this
        const work = () => this.messages(assignment, topic, partition, messages)
        return whileAlive(alive, sessionTimeoutMs, () => this.mutex.run(work))
      },
      onAnswer: () => (this.kafkaAnsweredMs = monotonicMs()),
    })
    this.ticker = setInterval(() => {
      this.retaining.whenDue()
      void this.mutex.run(() => this.tick()).catch(failed)
    }, tickMs)
  }

  /** Writes what has come, commits, and leaves the group. @throws Error when that cannot be done now. */
  async stop(): Promise<void> {
    this.stopping = true
    clearInterval(this.ticker)
    try {
      await this.mutex.run(() => this.flush())
    } finally {
      const settled = unlessAborted(this.options.signal, this.retaining.settled()).catch(() => undefined)
      await Promise.all([this.consumer?.stop(), settled, this.lease?.release()])
    }
  }

  /** What was in memory and not yet written is delivered again, to whoever has the partition now. */
  private assigned(numbers: readonly number[], consumer: Consumer): void {
    this.assignment++
    this.consumer = consumer
    this.partitions = new Map(numbers.map((number) => [number, { consumed: {}, runs: new Map<string, ArchivedRun>() }]))
    this.options.log.info({ partitions: numbers }, 'assigned')
  }

  private async messages(assignment: number, topic: string, number: number, messages: readonly InMessage[]) {
    const track = topic === this.options.topics.gotrace ? 'gotrace' : 'perf'
    for (const message of messages) {
      const partition = this.partitions.get(number)
      if (partition === undefined || assignment !== this.assignment || this.stopping) return
      await this.accept(partition, number, track, message)
      partition.consumed[track] = message.offset + 1n
      if (this.writableBytes >= this.options.maxPendingBytes) await this.flush()
    }
  }

  private async accept({ runs }: PartitionState, number: number, track: Track, message: InMessage): Promise<void> {
    const { counts, options } = this
    this.progress++
    counts.messages++
    counts.bytes += message.value.byteLength
    const envelope = usable(message, track)
    if (typeof envelope === 'string') {
      // The normalizer puts it among the dead letters.
      counts.unusable++
      options.log.warn({ partition: number, track, offset: String(message.offset) }, `not archived: ${envelope}`)
      return
    }
    const key = runKey(envelope.source, envelope.stream)
    const nowMs = monotonicMs()
    if (envelope.alive === true) {
      const quiet = runs.get(key)
      if (quiet !== undefined) quiet.lastSeenMs = nowMs
      return
    }
    const take = async () => {
      const run = runs.get(key) ?? (await ArchivedRun.open(options.archive, envelope, nowMs, this.keeper))
      runs.set(key, run)
      run.lastSeenMs = nowMs
      await run.accept(envelope, message, number)
    }
    await this.writing(() => this.unlessFailed(runs, key, take))
  }

  private async tick(): Promise<void> {
    const { flushEveryMs, idleMs } = this.options
    const nowMs = monotonicMs()
    if (nowMs - this.flushedMs < flushEveryMs) return
    const idle = [...this.partitions.values()].flatMap(({ runs }) =>
      [...runs].filter(([, { lastSeenMs }]) => nowMs - lastSeenMs >= idleMs).map(([key, run]) => ({ key, run, runs })),
    )
    for (const { run } of idle) await run.release()
    await this.flush()
    for (const { key, runs } of idle) runs.delete(key)
  }

  /** Partitions it has now; 0 before Kafka has given it any. */
  get partitionCount(): number {
    return this.partitions.size
  }

  get openRuns(): number {
    let runs = 0
    for (const partition of this.partitions.values()) runs += partition.runs.size
    return runs
  }

  get aboveBytes(): number {
    return this.retaining.aboveBytes
  }

  get unreadableKeeps(): number {
    return this.retaining.unreadableKeeps
  }

  /** Why nothing is archived now, one sentence each. */
  notReady(): string[] {
    const reasons: string[] = []
    if (this.partitionCount === 0) reasons.push('Kafka has given it no partition')
    if (this.disk.fails) reasons.push(`it cannot write to ${this.options.archive}`)
    return reasons
  }

  /** Bytes in memory. */
  get pendingBytes(): number {
    return this.writableBytes + this.sum(({ heldBytes }) => heldBytes)
  }

  /** Those of them that do not wait for others. */
  private get writableBytes(): number {
    return this.sum(({ pendingBytes }) => pendingBytes)
  }

  private sum(bytesOf: (run: ArchivedRun) => number): number {
    let sum = 0
    for (const { runs } of this.partitions.values()) for (const run of runs.values()) sum += bytesOf(run)
    return sum
  }

  private async flush(): Promise<void> {
    const { assignment } = this
    await this.writing(() => this.write(assignment))
    if (assignment !== this.assignment) return
    this.flushedMs = monotonicMs()
    this.counts.flushes++
    await this.commit(assignment)
  }

  private async writing(work: () => Promise<void>): Promise<void> {
    this.writingSinceMs = monotonicMs()
    try {
      await work()
    } finally {
      this.writingSinceMs = undefined
    }
  }

  private async write(assignment: number): Promise<void> {
    const { partitions } = this
    const all = [...partitions.values()].flatMap(({ runs }) => [...runs].map(([key, run]) => ({ runs, key, run })))
    await this.disk.use(() => this.lease!.hold(all.flatMap(({ run: { directories } }) => directories)))
    for (const { runs, key, run } of all) {
      // Whoever has the partition now writes the same files.
      if (assignment !== this.assignment) return
      const { directories, pendingBytes } = run
      await this.unlessFailed(runs, key, () =>
        this.disk.useDamaged(
          () => run.flush(),
          (directory) => run.beginAgain(directory),
        ),
      )
      if (pendingBytes > 0) this.progress++
      for (const directory of directories) this.retaining.noteChange(directory)
      this.countOrder(run)
    }
  }

  private async commit(assignment: number): Promise<void> {
    const { topics, log, signal } = this.options
    if (assignment !== this.assignment) return
    const offsets = [...this.partitions].flatMap(([partition, { consumed, runs }]) =>
      tracks.flatMap((track) => {
        const all = [consumed[track], ...[...runs.values()].map((run) => run.neededFrom(track))]
        const known = all.filter((offset) => offset !== undefined)
        if (consumed[track] === undefined) return []
        const offset = known.reduce((least, each) => (each < least ? each : least))
        return [{ topic: topics[track], partition, offset }]
      }),
    )
    if (offsets.length === 0) return
    try {
      await unlessAborted(signal, this.consumer!.commit(offsets))
    } catch (error) {
      if (this.stopping) throw error
      // Nothing is lost: what comes again is known.
      log.warn({ reason: (error as Error).message }, 'the offsets could not be committed; trying again')
    }
  }

  private countOrder(run: ArchivedRun): void {
    for (const track of tracks) {
      const taken = run.takeCounts(track)
      for (const name of ['duplicates', 'late', 'gaps', 'lostBytes'] as const) this.counts[name] += taken?.[name] ?? 0
    }
  }

  /** Whatever nobody has thought of costs the run that it meets what it has not written yet, and no other run. */
  private async unlessFailed(runs: Map<string, ArchivedRun>, key: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.options.signal.aborted) throw error
      const { pendingBytes = 0, heldBytes = 0 } = runs.get(key) ?? {}
      const lostBytes = pendingBytes + heldBytes
      runs.delete(key)
      this.counts.failedRuns++
      const reason = (error as Error).stack
      this.options.log.error(
        { run: key, lostBytes, reason },
        'a run cannot be archived; it is begun again with what comes next',
      )
    }
  }
}

/** The envelope, or why the message cannot be archived. */
function usable({ headers, value, unreadable }: InMessage, track: Track): Envelope | string {
  if (unreadable !== undefined) return unreadable
  if (value.byteLength > maxValueBytes) return `its value has ${value.byteLength} bytes`
  const envelope = decodeEnvelope(headers)
  if (typeof envelope === 'string') return envelope
  return envelope.track === track ? envelope : `it says it is of track ${envelope.track}`
}
