import { setTimeout as sleep } from 'node:timers/promises'
import { ExitCode, UserError } from '../errors.js'
import type { Track } from '../transport/envelope.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Consumer } from '../transport/transport.js'
import type { Log } from './log.js'
import { monotonicMs } from './monotonic.js'
import { type StuckCause, Watchdog } from './watchdog.js'

/** What is seen of one that reads both raw tracks and writes what it makes of them to a store. */
export interface Supervised {
  /** Undefined before its group has given it partitions. */
  readonly consumer: Consumer | undefined
  /** Grows with everything that is done. */
  readonly progress: number
  /** When Kafka last answered, on the monotonic clock. */
  readonly kafkaAnsweredMs: number
  /** Offset after the last message handled, of each partition; undefined: none yet. */
  readonly partitions: ReadonlyMap<number, { readonly consumed: Readonly<Partial<Record<Track, bigint>>> }>
  /** The track of a partition that is not read on purpose. */
  readonly paused?: ReadonlyMap<number, Track>
  /** Something else waits to be done than messages that are in Kafka. */
  readonly hasWork?: boolean
  /** Since when something has been on its way to the store, on the monotonic clock. */
  readonly writingSinceMs: number | undefined
  /** Why it does not do its work now, as far as only it knows, one sentence each. */
  notReady(): string[]
  /** Looks after its store. */
  tend?(): Promise<void>
}

export interface SupervisorOptions<Store extends string> {
  readonly supervised: Supervised
  /** What it writes to, and how it is told that this takes long. */
  readonly store: Store
  readonly slowStore: string
  /** Counts by cause. */
  readonly stuck: Record<StuckCause<Store>, number>
  readonly topics: Topics
  readonly log: Log
  /** Something to do and nothing done for so long is called stuck. */
  readonly stuckAfterMs: number
}

const longestPeriodMs = 5000
/** Kafka answers a question in milliseconds, or it is in trouble. */
const answerPatienceMs = 5000
/** Longer without any answer, and nothing is being done. */
const awayAfterMs = 15_000

/** Looks at a member of a group from outside of its own work: what waits, whether it goes on, and what can be done when it does not. */
export class Supervisor<Store extends string = string> {
  /** Messages of this member's partitions in Kafka that have not been read; undefined while Kafka does not say. */
  unreadMessages: Record<Track, number | undefined> = { gotrace: undefined, perf: undefined }
  /** Rejects when only a new process can help. */
  readonly hopeless: Promise<never>
  private readonly watchdog: Watchdog<Store>
  private readonly over = new AbortController()
  private giveUp: (error: UserError) => void = () => undefined

  constructor(private readonly options: SupervisorOptions<Store>) {
    this.watchdog = new Watchdog(options.stuckAfterMs, options.store)
    this.hopeless = new Promise((_, reject) => (this.giveUp = reject))
    this.hopeless.catch(() => undefined)
  }

  start(): void {
    void this.run()
  }

  stop(): void {
    this.over.abort()
  }

  /** Why the supervised does not do its work now. */
  notReady(): string[] {
    const { supervised, slowStore } = this.options
    const { kafkaAnsweredMs, writingSinceMs } = supervised
    const reasons = supervised.notReady()
    const quietMs = monotonicMs() - kafkaAnsweredMs
    // While it works on what it has, it asks for nothing.
    if (quietMs > awayAfterMs && writingSinceMs === undefined)
      reasons.push(`Kafka has not answered for ${seconds(quietMs)}`)
    const writingMs = writingSinceMs === undefined ? 0 : monotonicMs() - writingSinceMs
    if (writingMs > awayAfterMs) reasons.push(`${slowStore} for ${seconds(writingMs)}`)
    if (this.watchdog.isStuck) reasons.push('there is something to do and nothing is done')
    return reasons
  }

  private async run(): Promise<void> {
    const { signal } = this.over
    const periodMs = Math.min(longestPeriodMs, this.options.stuckAfterMs / 5)
    while (!signal.aborted) {
      try {
        await this.look()
      } catch (error) {
        this.options.log.error({ reason: (error as Error).message }, 'the supervisor failed; going on')
      }
      await sleep(periodMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  private async look(): Promise<void> {
    const { supervised, log } = this.options
    const [unread] = await Promise.all([this.askUnread(), supervised.tend && inTime(supervised.tend())])
    if (this.over.signal.aborted) return
    this.unreadMessages = unread ?? { gotrace: undefined, perf: undefined }
    const stuck = this.watchdog.look(monotonicMs(), {
      progress: supervised.progress,
      busy: unread === undefined || this.hasWork(unread.readable),
      kafkaAnswers: unread !== undefined,
      writingSinceMs: supervised.writingSinceMs,
    })
    if (stuck === undefined) return
    const { cause, forMs, hopeless } = stuck
    this.options.stuck[cause]++
    log.error(
      { cause, forMs: Math.round(forMs), unread: this.unreadMessages },
      'there is something to do and nothing is done',
    )
    if (hopeless)
      this.giveUp(
        new UserError(
          `nothing was read for ${seconds(forMs)} though there is something to read, and starting the consumer again did not help: this process ends so that its supervisor starts another`,
          ExitCode.unusable,
        ),
      )
    else if (cause !== this.options.store) await supervised.consumer?.restart(`nothing was read for ${seconds(forMs)}`)
  }

  private hasWork(readable: number): boolean {
    const { hasWork, writingSinceMs } = this.options.supervised
    return readable > 0 || hasWork === true || writingSinceMs !== undefined
  }

  /** Messages by track, and how many of them are not held back on purpose; undefined when Kafka does not say. */
  private async askUnread(): Promise<(Record<Track, number> & { readable: number }) | undefined> {
    const { supervised, topics } = this.options
    const { consumer } = supervised
    if (consumer === undefined) return undefined
    const unread = { gotrace: 0, perf: 0, readable: 0 }
    for (const track of tracks) {
      const isNew = [...supervised.partitions.values()].some(({ consumed }) => consumed[track] === undefined)
      const [begins, ends] = await Promise.all([
        isNew ? inTime(consumer.committed(topics[track])) : new Map<number, bigint>(),
        inTime(consumer.endOffsets(topics[track])),
      ])
      if (begins === undefined || ends === undefined) return undefined
      for (const [number, { consumed }] of supervised.partitions) {
        const from = consumed[track] ?? begins.get(number)
        // It came while Kafka was asked.
        if (from === undefined) continue
        const count = Math.max(0, Number((ends.get(number) ?? 0n) - from))
        unread[track] += count
        if (supervised.paused?.get(number) !== track) unread.readable += count
      }
    }
    return unread
  }
}

/** The answer; undefined when it is an error, or too late. */
async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  const patience = sleep(answerPatienceMs, undefined, { ref: false })
  return Promise.race([answer.catch(() => undefined), patience])
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
