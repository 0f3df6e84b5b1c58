import { openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { LocalStack } from '../../src/stack/local.js'
import { freePort } from '../../src/stack/ports.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames, type Topics, topicSpecs } from '../../src/transport/topics.js'
import type { OutMessage, Producer } from '../../src/transport/transport.js'
import { NormalizerProcess } from './normalizer.js'
import { metricsOn, statusPage } from './statusPage.js'

export interface Shipping {
  readonly messageBytes: number
  readonly speed?: number
  readonly sources?: number
  /** What becomes of each batch of messages before it is sent. */
  readonly alter?: (messages: readonly OutMessage[]) => readonly OutMessage[]
}

/** Topics, a group and a source of its own on the shared servers, so that no test sees another's messages and rows. */
export class Deployment {
  readonly topics: Topics
  readonly source: string
  readonly normalizers: NormalizerProcess[] = []
  statusPort = 0
  private readonly env: Readonly<Record<string, string>>

  constructor(
    private readonly stack: LocalStack,
    name: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.topics = topicNames(`${name}.`)
    this.source = `test/${name}/1/2026`
    this.env = {
      DUALTRACE_KAFKA: stack.kafka.brokers.join(','),
      DUALTRACE_QUESTDB: stack.questdb.url,
      DUALTRACE_TOPIC_PREFIX: `${name}.`,
      DUALTRACE_GROUP: name,
      DUALTRACE_SESSION_TIMEOUT: '4s',
      DUALTRACE_CHECKPOINT_EVERY: '100ms',
      ...env,
    }
  }

  async start(): Promise<NormalizerProcess> {
    this.statusPort = await freePort()
    const normalizer = new NormalizerProcess({ ...this.env, DUALTRACE_STATUS_PORT: String(this.statusPort) })
    this.normalizers.push(normalizer)
    return normalizer
  }

  async withProducer(use: (producer: Producer) => Promise<void>): Promise<void> {
    const { brokers } = this.stack.kafka
    const transport = new KafkaTransport({ brokers, clientId: 'test', onWarning: () => undefined })
    await transport.ensureTopics(topicSpecs(this.topics, 4, 3_600_000))
    const producer = await transport.producer()
    await use(producer)
    await producer.close()
    await transport.close()
  }

  async ship(capture: string, { messageBytes, speed, sources = 1, alter = (all) => all }: Shipping): Promise<void> {
    await this.withProducer(async (producer) => {
      const opened = await openCapture(capture)
      const named = { ...opened, names: { ...opened.names, source: this.source } }
      const altered: Pick<Producer, 'send'> = { send: (messages) => producer.send(alter(messages)) }
      await replay(named, altered, { topics: this.topics, sources, speed, messageBytes })
    })
  }

  status(path: string): Promise<{ status: number; text: string }> {
    return statusPage(this.statusPort, path)
  }

  metrics(): Promise<ReadonlyMap<string, number>> {
    return metricsOn(this.statusPort)
  }

  async killAll(): Promise<void> {
    for (const normalizer of this.normalizers) await normalizer.kill()
  }

  get log(): string[] {
    return this.normalizers.flatMap(({ lines }) => lines)
  }
}
