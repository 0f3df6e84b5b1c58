import type { Headers } from './envelope.js'
import type { TopicSpec } from './topics.js'

/**
 * All that the pipelines want of a message broker. Kafka's client stays behind this: the rest of the program knows no other
 * name of it. Offsets are bigints, because Kafka's are 64 bits wide.
 */
export interface Transport {
  /**
   * Creates missing topics. Waits for a broker that is away.
   * @throws UserError when co-partitioned topics exist with different numbers of partitions.
   */
  ensureTopics(specs: readonly TopicSpec[]): Promise<void>
  producer(): Promise<Producer>
  /** Joins the group and consumes until the consumer is stopped. */
  consume(options: ConsumeOptions): Promise<Consumer>
  close(): Promise<void>
}

export interface OutMessage {
  readonly topic: string
  /** Undefined: chosen by the key, the same number in every topic with as many partitions. */
  readonly partition?: number | undefined
  readonly key: string
  readonly headers: Headers
  /** null deletes the key from a compacted topic. */
  readonly value: Uint8Array | null
}

export interface Producer {
  /**
   * Resolves when every message is acknowledged by all replicas. Waits as long as the broker is away; a message may be written
   * twice because of that.
   */
  send(messages: readonly OutMessage[]): Promise<void>
  /** Sends one message and says at which offset it lies. */
  sendOne(message: OutMessage): Promise<bigint>
  close(): Promise<void>
}

export interface InMessage {
  readonly offset: bigint
  readonly key: string
  readonly headers: Headers
  readonly value: Uint8Array
  /** Why its batch could not be unpacked; the first message of that batch has the packed bytes as its value, the others have none. */
  readonly unreadable?: string | undefined
}

export interface ConsumeOptions {
  readonly group: string
  /** A member that has not been heard of for so long loses its partitions. */
  readonly sessionTimeoutMs: number
  /** Topics with equal numbers of partitions: a member gets the same numbers of all of them. */
  readonly topics: readonly string[]
  /**
   * The partitions this member has from now on, each in all topics. Called before any message of the new assignment, without
   * waiting for a running onMessages of the old one. `continued`: the group has known this member all the time, so that nobody
   * else can have had the partitions that were in the assignment before, too.
   */
  readonly onAssigned: (partitions: readonly number[], consumer: Consumer, continued: boolean) => void
  /**
   * One call at a time. What it returns from is consumed, and is delivered again only after a seek or a new assignment.
   * `alive` must be called every few seconds while it takes long, and throws when the assignment is over.
   */
  readonly onMessages: (
    topic: string,
    partition: number,
    messages: readonly InMessage[],
    alive: () => Promise<void>,
  ) => Promise<void>
  /** Called whenever the broker has answered, with messages or without. */
  readonly onAnswer?: (() => void) | undefined
}

export interface TopicOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

export interface Consumer {
  pause(topic: string, partition: number): void
  resume(topic: string, partition: number): void
  /** Goes on at an offset; messages already under way from elsewhere are not delivered. */
  seek(position: TopicOffset): void
  commit(offsets: readonly TopicOffset[]): Promise<void>
  /** Where the group goes on in each partition: its committed offset, or where the topic begins when that is later or there is none. */
  committed(topic: string): Promise<ReadonlyMap<number, bigint>>
  /** Offset after the last message of each partition. */
  endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>>
  /** Leaves the connection it has to itself and joins the group anew, whatever the old one hangs on. */
  restart(reason: string): Promise<void>
  stop(): Promise<void>
}
