import { setTimeout as sleep } from 'node:timers/promises'
import { ExitCode, UserError } from '../errors.js'
import type { Store } from '../store/store.js'
import type { Track } from '../transport/envelope.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Counts } from './counts.js'
import type { Log } from './log.js'
import { monotonicMs } from './monotonic.js'
import type { Normalizer } from './normalizer.js'
import { Watchdog } from './watchdog.js'

export interface SupervisorOptions {
  readonly normalizer: Normalizer
  readonly store: Store
  readonly topics: Topics
  readonly counts: Counts
  readonly log: Log
  /** Something to do and nothing done for so long is called stuck. */
  readonly stuckAfterMs: number
}

const longestPeriodMs = 5000
/** Kafka answers a question in milliseconds, or it is in trouble. */
const answerPatienceMs = 5000
/** Longer without any answer, and nothing is being done. */
const awayAfterMs = 15_000

/** Looks at a normalizer from outside of its own work: what waits, whether it goes on, and what can be done when it does not. */
export class Supervisor {
  /** Messages of this member's partitions in Kafka that have not been read; undefined while Kafka does not say. */
  unreadMessages: Record<Track, number | undefined> = { gotrace: undefined, perf: undefined }
  /** Rejects when only a new process can help. */
  readonly hopeless: Promise<never>
  private readonly watchdog: Watchdog
  private readonly over = new AbortController()
  private giveUp: (error: UserError) => void = () => undefined

  constructor(private readonly options: SupervisorOptions) {
    this.watchdog = new Watchdog(options.stuckAfterMs)
    this.hopeless = new Promise((_, reject) => (this.giveUp = reject))
    this.hopeless.catch(() => undefined)
  }

  start(): void {
    void this.run()
  }

  stop(): void {
    this.over.abort()
  }

  /** Why the normalizer does not do its work now. */
  notReady(): string[] {
    const { normalizer } = this.options
    const reasons: string[] = []
    const { writer } = normalizer
    if (normalizer.consumer === undefined) reasons.push('it has not joined its group yet')
    for (const number of normalizer.loading.keys())
      reasons.push(`partition ${number}: its checkpoints are still being read`)
    const quietMs = monotonicMs() - normalizer.kafkaAnsweredMs
    // While it works on what it has, it asks for nothing.
    if (quietMs > awayAfterMs && writer?.writingSinceMs === undefined)
      reasons.push(`Kafka has not answered for ${seconds(quietMs)}`)
    const writingMs = writer?.writingSinceMs === undefined ? 0 : monotonicMs() - writer.writingSinceMs
    if (writingMs > awayAfterMs) reasons.push(`QuestDB has not acknowledged rows for ${seconds(writingMs)}`)
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
    const { normalizer, counts, log } = this.options
    const [unread] = await Promise.all([this.askUnread(), this.tendStore()])
    if (this.over.signal.aborted) return
    this.unreadMessages = unread ?? { gotrace: undefined, perf: undefined }
    const stuck = this.watchdog.look(monotonicMs(), {
      progress: normalizer.progress,
      busy: unread === undefined || this.hasWork(unread.readable),
      kafkaAnswers: unread !== undefined,
      writingSinceMs: normalizer.writer?.writingSinceMs,
    })
    if (stuck === undefined) return
    const { cause, forMs, hopeless } = stuck
    counts.stuck[cause]++
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
    else if (cause !== 'questdb') await normalizer.consumer?.restart(`nothing was read for ${seconds(forMs)}`)
  }

  private hasWork(readable: number): boolean {
    const { normalizer } = this.options
    return (
      readable > 0 ||
      normalizer.loading.size > 0 ||
      normalizer.waitingRows > 0 ||
      normalizer.writer?.writingSinceMs !== undefined
    )
  }

  /** Messages by track, and how many of them are not held back on purpose; undefined when Kafka does not say. */
  private async askUnread(): Promise<(Record<Track, number> & { readable: number }) | undefined> {
    const { normalizer, topics } = this.options
    const { consumer } = normalizer
    if (consumer === undefined) return undefined
    const unread = { gotrace: 0, perf: 0, readable: 0 }
    for (const track of tracks) {
      const ends = await inTime(consumer.endOffsets(topics[track]))
      if (ends === undefined) return undefined
      for (const [number, partition] of normalizer.partitions) {
        const count = Math.max(0, Number((ends.get(number) ?? 0n) - partition.consumed[track]))
        unread[track] += count
        if (normalizer.paused.get(number) !== track) unread.readable += count
      }
    }
    return unread
  }

  private async tendStore(): Promise<void> {
    const { store, counts, log } = this.options
    const resumed = await inTime(store.tend())
    if (resumed === undefined || resumed.length === 0) return
    counts.resumedTables += resumed.length
    log.warn({ tables: resumed }, 'QuestDB had suspended tables (a full disk does that); they are resumed')
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
