import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, Consumer as KafkaConsumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs'
import { retryForever } from '../retry.js'
import { coPartitionAssigner } from './assigner.js'
import type { KafkaOptions } from './kafkaClient.js'
import type { Headers } from './envelope.js'
import { unpack } from './packing.js'
import type { ConsumeOptions, Consumer, InMessage, TopicOffset } from './transport.js'
import { unreadableHeader, unreadableRestHeader } from './unreadable.js'

/** Packed bytes of one partition in one answer: so that no partition makes the others wait. */
const fetchBytesPerPartition = 256 * 1024
/** Packed bytes of one answer; a single batch may be larger. */
const fetchBytes = 1024 * 1024
/** Unpacked bytes handed on at once, about. */
const portionBytes = 1024 * 1024
/** A connection that does not close within so long is left to itself. */
const closePatienceMs = 3000
/** Between two starts after which nothing could be read; twice as long after each. */
const firstRestartMs = 200
const longestRestartMs = 5000

/** A member of the group that comes back whatever happens to the broker or to the client. */
export class GroupConsumer implements Consumer {
  private current: KafkaConsumer | undefined
  private memberId: string | undefined
  private held: readonly number[] = []
  private readonly over = new AbortController()
  /** How often it has crashed since it last read something. */
  private crashes = 0
  private restarting: Promise<void> = Promise.resolve()

  constructor(
    private readonly kafka: Kafka,
    private readonly admin: Admin,
    private readonly options: KafkaOptions,
    private readonly consume: ConsumeOptions,
  ) {}

  async start(): Promise<void> {
    const onRetry = (error: Error, waitMs: number) => {
      this.options.onRetry?.()
      this.options.onWarning(`cannot join group ${this.consume.group} (${error.message}); trying again in ${waitMs} ms`)
    }
    await retryForever({ onRetry, signal: this.options.signal }, async () => {
      if (this.over.signal.aborted) return
      const consumer = this.create()
      try {
        await consumer.connect()
        await consumer.subscribe({ topics: [...this.consume.topics], fromBeginning: true })
        this.current = consumer
        await consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: 1,
          eachBatch: (payload) => this.deliver(consumer, payload),
        })
      } catch (error) {
        await closed(consumer)
        throw error
      }
    })
  }

  pause(topic: string, partition: number): void {
    this.current?.pause([{ topic, partitions: [partition] }])
  }

  resume(topic: string, partition: number): void {
    this.current?.resume([{ topic, partitions: [partition] }])
  }

  seek({ topic, partition, offset }: TopicOffset): void {
    this.current?.seek({ topic, partition, offset: String(offset) })
  }

  async commit(offsets: readonly TopicOffset[]): Promise<void> {
    if (this.current === undefined) throw new Error('the Kafka consumer is starting again')
    await this.current.commitOffsets(
      offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })),
    )
  }

  async committed(topic: string): Promise<ReadonlyMap<number, bigint>> {
    const [answers, bounds] = await Promise.all([
      this.admin.fetchOffsets({ groupId: this.consume.group, topics: [topic] }),
      this.admin.fetchTopicOffsets(topic),
    ])
    const committed = new Map(bounds.map(({ partition, low }) => [partition, BigInt(low)]))
    // -1: none.
    for (const { partition, offset } of answers[0]?.partitions ?? [])
      if (BigInt(offset) > (committed.get(partition) ?? 0n)) committed.set(partition, BigInt(offset))
    return committed
  }

  async endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>> {
    const bounds = await this.admin.fetchTopicOffsets(topic)
    return new Map(bounds.map(({ partition, high }) => [partition, BigInt(high)]))
  }

  async restart(reason: string): Promise<void> {
    const stuck = this.current
    if (stuck === undefined || this.over.signal.aborted) return
    this.options.onWarning(`the Kafka consumer starts again: ${reason}`)
    this.restarting = this.replace(stuck)
    await this.restarting
  }

  async stop(): Promise<void> {
    this.over.abort()
    await this.restarting
    const { current } = this
    this.current = undefined
    if (current !== undefined) await closed(current)
  }

  private create(): KafkaConsumer {
    const consumer = this.kafka.consumer({
      groupId: this.consume.group,
      partitionAssigners: [coPartitionAssigner(() => this.held)],
      sessionTimeout: this.consume.sessionTimeoutMs,
      heartbeatInterval: Math.floor(this.consume.sessionTimeoutMs / 10),
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 250,
      maxBytesPerPartition: fetchBytesPerPartition,
      maxBytes: fetchBytes,
      // Our own loop restarts it, so that the reason is seen and nothing ends silently.
      retry: { retries: 5, restartOnFailure: () => Promise.resolve(false) },
    })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (this.current !== consumer) return
      const partitions = payload.memberAssignment[this.consume.topics[0]!] ?? []
      // A member that the group had given up gets a new id.
      const continued = payload.memberId === this.memberId
      this.memberId = payload.memberId
      this.held = partitions
      this.consume.onAssigned(partitions, this, continued)
    })
    consumer.on(consumer.events.FETCH, () => {
      if (this.current !== consumer) return
      this.crashes = 0
      this.consume.onAnswer?.()
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (this.over.signal.aborted || consumer !== this.current) return
      const waitMs = this.crashes === 0 ? 0 : Math.min(firstRestartMs * 2 ** (this.crashes - 1), longestRestartMs)
      this.crashes++
      this.options.onWarning(`the Kafka consumer stopped (${payload.error.message}); it starts again in ${waitMs} ms`)
      this.restarting = this.replace(consumer, waitMs)
    })
    return consumer
  }

  private async replace(old: KafkaConsumer, waitMs = 0): Promise<void> {
    // From here on nothing the old one delivers is taken.
    this.current = undefined
    await closed(old)
    await sleep(waitMs, undefined, { signal: this.over.signal }).catch(() => undefined)
    await this.start()
  }

  private async deliver(from: KafkaConsumer, payload: EachBatchPayload): Promise<void> {
    const { batch } = payload
    if (from !== this.current || payload.isStale() || !payload.isRunning()) return
    for await (const messages of portions(batch.messages)) {
      if (from !== this.current || payload.isStale()) return
      await this.consume.onMessages(batch.topic, batch.partition, messages, () => payload.heartbeat())
      if (!payload.isStale()) payload.resolveOffset(String(messages.at(-1)!.offset))
    }
  }
}

/** Unpacks a few messages at a time, and the next ones while these are worked on: an answer full of small ones could unpack to a thousand times its size. */
async function* portions(messages: readonly KafkaMessage[]): AsyncIterable<readonly InMessage[]> {
  let next = messages.length > 0 ? unpack(inMessage(messages[0]!)) : undefined
  let portion: InMessage[] = []
  let sizeBytes = 0
  for (let at = 1; next !== undefined; at++) {
    const message: InMessage = await next
    next = at < messages.length ? unpack(inMessage(messages[at]!)) : undefined
    portion.push(message)
    sizeBytes += message.value.length
    if (next !== undefined && sizeBytes < portionBytes) continue
    yield portion
    portion = []
    sizeBytes = 0
  }
}

async function closed(consumer: KafkaConsumer): Promise<void> {
  const patience = sleep(closePatienceMs, undefined, { ref: false })
  await Promise.race([consumer.disconnect().catch(() => undefined), patience])
}

function inMessage({ offset, key, headers, value }: KafkaMessage): InMessage {
  const texts = textHeaders(headers)
  const unreadable = unreadableRestHeader in texts ? 'it lies in the batch before it' : texts[unreadableHeader]
  return {
    offset: BigInt(offset),
    key: key?.toString() ?? '',
    headers: texts,
    value: value ?? new Uint8Array(0),
    ...(unreadable === undefined ? {} : { unreadable }),
  }
}

function textHeaders(headers: IHeaders | undefined): Headers {
  const texts: Headers = {}
  for (const [name, value] of Object.entries(headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value
    if (first !== undefined) texts[name] = first.toString()
  }
  return texts
}
