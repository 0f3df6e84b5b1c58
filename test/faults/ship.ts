import { openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames, topicSpecs } from '../../src/transport/topics.js'

/** A process that ships a capture once, as `dualtrace replay` does, under a name of its own. */
export interface ShippingOrder {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly partitions: number
  readonly capture: string
  readonly source: string
  /** Each start is a recording of its own, as a collector's is; else it ships the same one again. */
  readonly ownRun: boolean
  readonly sources: number
  readonly speed: number
  readonly messageBytes: number
}

if (process.argv[1] === import.meta.filename) {
  const order = JSON.parse(process.argv[2]!) as ShippingOrder
  const { brokers, prefix, partitions, capture, source, ownRun, sources, speed, messageBytes } = order
  const topics = topicNames(prefix)
  const transport = new KafkaTransport({ brokers, clientId: 'ship', onWarning: () => undefined })
  await transport.ensureTopics(topicSpecs(topics, partitions, 86_400_000))
  const producer = await transport.producer()
  const opened = await openCapture(capture)
  const run = ownRun ? undefined : opened.run
  const named = { ...opened, run, names: { ...opened.names, source } }
  await replay(named, producer, { topics, sources, speed, messageBytes })
  await producer.close()
  process.exit(0)
}
