import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import type { Kafka, Producer as KafkaProducer } from 'kafkajs'
import { retryForever } from '../retry.js'
import type { KafkaOptions } from './kafkaClient.js'
import { isPacked, recordedBytes } from './packing.js'
import type { OutMessage, Producer } from './transport.js'
import { wireBytes } from './wireBytes.js'

/** Messages for one partition travel as one batch, which must stay below the topic's max.message.bytes. */
const maxRequestBytes = 1_800_000

/** A connection that does not close within so long is left to itself. */
const closePatienceMs = 3000
/** Names of Kafka's errors for what sending again cannot help. */
const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

/**
 * An idempotent producer that never gives up. After a failed request nobody knows what the broker has written, and the numbering
 * of that producer id is in doubt: so it begins anew with another id and sends again. Readers recognise what came twice by position.
 */
export class ReliableProducer implements Producer {
  private current: KafkaProducer | undefined

  constructor(
    private readonly kafka: Kafka,
    private readonly options: KafkaOptions,
  ) {}

  async send(messages: readonly OutMessage[]): Promise<void> {
    for (const request of requestsOf(messages)) await this.sendRequest(request)
  }

  async sendOne(message: OutMessage): Promise<bigint> {
    const answers = await this.sendRequest([message])
    return BigInt(answers[0]!.baseOffset!)
  }

  async close(): Promise<void> {
    const { current } = this
    this.current = undefined
    const patience = sleep(closePatienceMs, undefined, { ref: false })
    await Promise.race([current?.disconnect().catch(() => undefined), patience])
  }

  private async sendRequest(messages: readonly OutMessage[]) {
    const topicMessages = messages.map(({ topic, partition, key, headers, value }) => ({
      topic,
      messages: [
        {
          key,
          headers,
          value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength),
          ...(partition === undefined ? {} : { partition }),
        },
      ],
    }))
    const onRetry = (error: Error, waitMs: number) => {
      this.options.onRetry?.()
      this.options.onWarning(`Kafka took no messages (${error.message}); trying again in ${waitMs} ms`)
    }
    return retryForever({ onRetry, signal: this.options.signal, isFinal: isTooLarge }, async () => {
      try {
        const producer = await this.connected()
        const answers = await producer.sendBatch({ topicMessages, acks: -1, compression: compressionOf(messages) })
        countPacked(messages)
        return answers
      } catch (error) {
        await this.close()
        throw error
      }
    })
  }

  private async connected(): Promise<KafkaProducer> {
    if (this.current !== undefined) return this.current
    const producer = this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    this.current = producer
    return producer
  }
}

/** What is packed does not get smaller a second time; messages without a value are not worth it. */
function compressionOf(messages: readonly OutMessage[]): kafkajs.CompressionTypes {
  const isDone = messages.every((message) => isPacked(message) || message.value === null || message.value.length === 0)
  return isDone ? kafkajs.CompressionTypes.None : kafkajs.CompressionTypes.GZIP
}

function countPacked(messages: readonly OutMessage[]): void {
  for (const message of messages) {
    if (!isPacked(message)) continue
    wireBytes.sentPackedBytes += message.value!.length
    wireBytes.sentBytes += recordedBytes(message)
  }
}

/** kafkajs wraps the broker's own error once or twice. */
function isTooLarge(error: Error): boolean {
  const { type, cause } = error as Error & { type?: string }
  return (type !== undefined && tooLarge.has(type)) || (cause instanceof Error && isTooLarge(cause))
}

function* requestsOf(messages: readonly OutMessage[]): Iterable<OutMessage[]> {
  let request: OutMessage[] = []
  let sizeBytes = 0
  for (const message of messages) {
    const messageBytes = message.value?.byteLength ?? 0
    if (request.length > 0 && sizeBytes + messageBytes > maxRequestBytes) {
      yield request
      request = []
      sizeBytes = 0
    }
    request.push(message)
    sizeBytes += messageBytes
  }
  if (request.length > 0) yield request
}
