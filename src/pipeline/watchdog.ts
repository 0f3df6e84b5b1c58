/** What holds one up that reads from Kafka and writes to a store, when it is stuck. */
export type StuckCause<Store extends string> = 'kafka' | 'consumer' | Store

/** What is seen of it at one moment. */
export interface Sight {
  /** Grows with everything that is done. */
  readonly progress: number
  /** Something waits to be read or written. */
  readonly busy: boolean
  /** Kafka has answered a question just now. */
  readonly kafkaAnswers: boolean
  /** Something has been on its way to the store since, on the clock of `nowMs`; undefined when nothing is. */
  readonly writingSinceMs: number | undefined
}

export interface Stuck<Store extends string> {
  readonly cause: StuckCause<Store>
  readonly forMs: number
  /** The consumer was restarted as often as that can help. */
  readonly hopeless: boolean
}

/** Restarts of the consumer in a row, without any progress, before the process gives itself up. */
const restartsWorthTrying = 3

/** Notices that there is something to do and nothing is done. Says so once per `stuckAfterMs`. */
export class Watchdog<Store extends string> {
  private seen = -1
  private sinceMs = -Infinity
  private restarts = 0
  private stuck = false
  private kafkaWasAway = false

  constructor(
    private readonly stuckAfterMs: number,
    private readonly store: Store,
  ) {}

  /** From the first report until there is progress again. */
  get isStuck(): boolean {
    return this.stuck
  }

  look(nowMs: number, sight: Sight): Stuck<Store> | undefined {
    // The group waits for the members it had before Kafka went away, for as long as their sessions last: one more would only make that longer.
    const isBack = this.kafkaWasAway && sight.kafkaAnswers
    this.kafkaWasAway = !sight.kafkaAnswers
    if (sight.progress !== this.seen || !sight.busy || isBack) {
      this.seen = sight.progress
      this.sinceMs = nowMs
      this.restarts = 0
      this.stuck = false
      return undefined
    }
    const forMs = nowMs - this.sinceMs
    if (forMs < this.stuckAfterMs * (this.restarts + 1)) return undefined
    this.restarts++
    this.stuck = true
    const cause = this.cause(nowMs, sight)
    // A server that is away is waited for; a restart of this process would do no more.
    return { cause, forMs, hopeless: cause === 'consumer' && this.restarts > restartsWorthTrying }
  }

  private cause(nowMs: number, { kafkaAnswers, writingSinceMs }: Sight): StuckCause<Store> {
    if (!kafkaAnswers) return 'kafka'
    return writingSinceMs !== undefined && nowMs - writingSinceMs >= this.stuckAfterMs / 2 ? this.store : 'consumer'
  }
}
