import type { Admin, Consumer as KafkaConsumer, EachBatchPayload, IHeaders, Kafka } from 'kafkajs'
import { retryForever } from '../retry.js'
import { coPartitionAssigner } from './assigner.js'
import type { KafkaOptions } from './kafkaClient.js'
import type { Headers } from './envelope.js'
import type { ConsumeOptions, Consumer, InMessage, TopicOffset } from './transport.js'

/** A member of the group that comes back whatever happens to the broker or to the client. */
export class GroupConsumer implements Consumer {
  private current: KafkaConsumer | undefined
  private stopping = false
  private restarting: Promise<void> = Promise.resolve()

  constructor(
    private readonly kafka: Kafka,
    private readonly admin: Admin,
    private readonly options: KafkaOptions,
    private readonly consume: ConsumeOptions,
  ) {}

  async start(): Promise<void> {
    const onRetry = (error: Error, waitMs: number) =>
      this.options.onWarning(`cannot join group ${this.consume.group} (${error.message}); trying again in ${waitMs} ms`)
    await retryForever({ onRetry, signal: this.options.signal }, async () => {
      const consumer = this.create()
      try {
        await consumer.connect()
        await consumer.subscribe({ topics: [...this.consume.topics], fromBeginning: true })
        this.current = consumer
        await consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: 1,
          eachBatch: (payload) => this.deliver(payload),
        })
      } catch (error) {
        await consumer.disconnect().catch(() => undefined)
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
    await this.current?.commitOffsets(
      offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })),
    )
  }

  async committed(topic: string, partition: number): Promise<bigint> {
    const answers = await this.admin.fetchOffsets({ groupId: this.consume.group, topics: [topic] })
    const offset = BigInt(answers[0]?.partitions.find((entry) => entry.partition === partition)?.offset ?? -1)
    if (offset >= 0n) return offset
    const bounds = await this.admin.fetchTopicOffsets(topic)
    return BigInt(bounds.find((entry) => entry.partition === partition)?.low ?? 0)
  }

  async endOffset(topic: string, partition: number): Promise<bigint> {
    const bounds = await this.admin.fetchTopicOffsets(topic)
    return BigInt(bounds.find((entry) => entry.partition === partition)?.high ?? 0)
  }

  async stop(): Promise<void> {
    this.stopping = true
    await this.restarting
    await this.current?.disconnect()
    this.current = undefined
  }

  private create(): KafkaConsumer {
    const consumer = this.kafka.consumer({
      groupId: this.consume.group,
      partitionAssigners: [coPartitionAssigner],
      sessionTimeout: this.consume.sessionTimeoutMs,
      heartbeatInterval: Math.floor(this.consume.sessionTimeoutMs / 10),
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 250,
      maxBytesPerPartition: 4 * 1024 * 1024,
      // Our own loop restarts it, so that the reason is seen and nothing ends silently.
      retry: { retries: 5, restartOnFailure: () => Promise.resolve(false) },
    })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const partitions = payload.memberAssignment[this.consume.topics[0]!] ?? []
      this.consume.onAssigned(partitions, this)
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (this.stopping || consumer !== this.current) return
      this.options.onWarning(`the Kafka consumer stopped (${payload.error.message}); it starts again`)
      this.restarting = this.restart(consumer)
    })
    return consumer
  }

  private async restart(crashed: KafkaConsumer): Promise<void> {
    await crashed.disconnect().catch(() => undefined)
    if (!this.stopping) await this.start()
  }

  private async deliver(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload
    if (payload.isStale() || !payload.isRunning()) return
    const messages = batch.messages.map((message): InMessage => ({
      offset: BigInt(message.offset),
      key: message.key?.toString() ?? '',
      headers: textHeaders(message.headers),
      value: message.value ?? new Uint8Array(0),
    }))
    await this.consume.onMessages(batch.topic, batch.partition, messages, () => payload.heartbeat())
    const last = batch.messages.at(-1)
    if (last !== undefined && !payload.isStale()) payload.resolveOffset(last.offset)
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
