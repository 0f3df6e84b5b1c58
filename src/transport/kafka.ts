import kafkajs from 'kafkajs'
import type { Admin, Kafka } from 'kafkajs'
import { UserError } from '../errors.js'
import { retryForever, unlessAborted } from '../retry.js'
import { kafkaClient, type KafkaOptions } from './kafkaClient.js'
import { GroupConsumer } from './kafkaConsumer.js'
import { ReliableProducer } from './kafkaProducer.js'
import { refusal } from './refused.js'
import type { TopicSpec } from './topics.js'
import type { ConsumeOptions, Consumer, Producer, Transport } from './transport.js'

export { wireBytes, type WireBytes } from './wireBytes.js'
export type { KafkaOptions } from './kafkaClient.js'

/**
 * The transport over a real Kafka. Every call waits, and says why, as long as Kafka is away; one that does not let us in, or is not to be
 * trusted, is a UserError.
 */
export class KafkaTransport implements Transport {
  private readonly kafka: Kafka
  private readonly admin: Admin
  private connected = false

  constructor(private readonly options: KafkaOptions) {
    this.kafka = kafkaClient(options)
    this.admin = this.kafka.admin()
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    await this.retrying(async () => {
      await this.connect()
      await this.createMissing(specs)
      await this.checkPartitions(specs)
    })
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- it connects with the first message
  async producer(): Promise<Producer> {
    return new ReliableProducer(this.kafka, this.options)
  }

  async consume(consume: ConsumeOptions): Promise<Consumer> {
    await this.retrying(() => this.connect())
    const consumer = new GroupConsumer(this.kafka, this.admin, this.options, consume)
    await consumer.start()
    return consumer
  }

  async close(): Promise<void> {
    await unlessAborted(this.options.signal, this.admin.disconnect())
  }

  private async connect(): Promise<void> {
    if (this.connected) return
    await this.admin.connect()
    this.connected = true
  }

  private async createMissing(specs: readonly TopicSpec[]): Promise<void> {
    const existing = new Set(await this.admin.listTopics())
    const topics = specs.filter((spec) => !existing.has(spec.name))
    if (topics.length === 0) return
    try {
      await this.admin.createTopics({
        waitForLeaders: true,
        topics: topics.map((spec) => ({
          topic: spec.name,
          numPartitions: spec.partitions ?? 1,
          replicationFactor: -1,
          configEntries: Object.entries(spec.config).map(([name, value]) => ({ name, value })),
        })),
      })
    } catch (error) {
      // Another process that starts now creates the same ones.
      if (!(error instanceof kafkajs.KafkaJSAggregateError)) throw error
      const others = error.errors.filter((cause) => (cause as { type?: string }).type !== 'TOPIC_ALREADY_EXISTS')
      if (others.length > 0) throw others[0] as Error
    }
  }

  /** A source meets its other track only where all its topics have as many partitions. */
  private async checkPartitions(specs: readonly TopicSpec[]): Promise<void> {
    const names = specs.filter((spec) => spec.partitions !== undefined).map((spec) => spec.name)
    const { topics } = await this.admin.fetchTopicMetadata({ topics: names })
    const counts = topics.map((topic) => `${topic.name} has ${topic.partitions.length}`)
    if (new Set(topics.map((topic) => topic.partitions.length)).size > 1)
      throw new UserError(`the topics must have equal numbers of partitions: ${counts.join(', ')}`)
  }

  private async retrying<T>(attempt: () => Promise<T>): Promise<T> {
    const { onWarning, signal, brokers } = this.options
    const onRetry = (error: Error, waitMs: number) => {
      this.options.onRetry?.()
      onWarning(`Kafka at ${brokers.join(', ')} does not answer (${error.message}); trying again in ${waitMs} ms`)
    }
    return retryForever({ onRetry, signal, isFinal: (error) => error instanceof UserError }, async () => {
      try {
        return await attempt()
      } catch (error) {
        throw refusal(error, this.options) ?? error
      }
    })
  }
}
