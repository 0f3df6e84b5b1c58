import { hostname } from 'node:os'
import { newRegistry } from '../../status/metrics.js'
import { serveStatus } from '../../status/server.js'
import { KafkaTransport, wireBytes } from '../../transport/kafka.js'
import { topicNames, topicSpecs } from '../../transport/topics.js'
import type { CollectPipeline } from '../config.js'
import type { Log } from '../log.js'
import { Collector } from './collector.js'
import { collectorMetrics } from './metrics.js'

/** Runs a collector until its inputs end or `signal` comes; `giveUp` comes later and ends all waiting for Kafka. */
export async function runCollector(
  pipeline: CollectPipeline,
  log: Log,
  signal: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { kafka, status } = pipeline
  const transport = new KafkaTransport({
    brokers: kafka.brokers,
    tls: kafka.tls,
    sasl: kafka.sasl,
    clientId: `dualtrace-collector-${hostname()}`,
    onWarning: (text) => log.warn(text),
    signal: giveUp,
  })
  // A Kafka that is away keeps nobody from collecting: messages wait until there are topics.
  const unusable = new AbortController()
  const ready = transport.ensureTopics(topicSpecs(topicNames(kafka.topicPrefix), kafka.partitions, kafka.retention))
  ready.catch((error: unknown) => unusable.abort(error))
  const stop = AbortSignal.any([signal, unusable.signal])
  const collector = await Collector.open(pipeline, { transport, ready, log, signal: stop })
  const registry = newRegistry(collectorMetrics(collector.status, wireBytes))
  const server = await serveStatus(status, registry, () => collector.notReady())
  try {
    await collector.run()
    if (!signal.aborted) unusable.signal.throwIfAborted()
    await transport.close()
  } finally {
    await server?.close()
  }
}
