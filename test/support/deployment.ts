import { openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { LocalStack } from '../../src/stack/local.js'
import { freePort } from '../../src/stack/ports.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames, type Topics, topicSpecs } from '../../src/transport/topics.js'
import type { OutMessage, Producer } from '../../src/transport/transport.js'
import { NormalizerProcess } from './normalizer.js'
import { PipelineProcess } from './pipelineProcess.js'
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
  statusPort = 0
  private readonly processes: PipelineProcess[] = []
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
      DUALTRACE_ARCHIVE_GROUP: `${name}-archive`,
      DUALTRACE_SESSION_TIMEOUT: '4s',
      DUALTRACE_CHECKPOINT_EVERY: '100ms',
      ...env,
    }
  }

  start(): Promise<NormalizerProcess> {
    return this.launched((env) => new NormalizerProcess(env))
  }

  startArchiver(archive: string): Promise<PipelineProcess> {
    const own = {
      DUALTRACE_ARCHIVE: archive,
      DUALTRACE_ARCHIVE_FLUSH_EVERY: '300ms',
      DUALTRACE_ARCHIVE_MAX_AGE: '36500d',
    }
    return this.launched((env) => new PipelineProcess('archive', { ...env, ...own }))
  }

  private async launched<T extends PipelineProcess>(launch: (env: Readonly<Record<string, string>>) => T): Promise<T> {
    this.statusPort = await freePort()
    const launched = launch({ ...this.env, DUALTRACE_STATUS_PORT: String(this.statusPort) })
    this.processes.push(launched)
    return launched
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
    for (const each of this.processes) await each.kill()
  }

  /** Ends what was started for a test, and shows the end of its log when the test has failed. */
  async endTest(test: Mocha.Test | undefined): Promise<void> {
    await this.killAll()
    if (test?.isFailed() === true) process.stderr.write(`${this.log.slice(-60).join('\n')}\n`)
  }

  get log(): string[] {
    return this.processes.flatMap(({ lines }) => lines)
  }
}
