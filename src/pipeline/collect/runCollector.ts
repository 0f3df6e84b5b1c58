import { hostname } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { newRegistry } from '../../status/metrics.js'
import { serveStatus } from '../../status/server.js'
import { KafkaTransport, wireBytes } from '../../transport/kafka.js'
import { topicNames, topicSpecs } from '../../transport/topics.js'
import type { CollectPipeline } from '../config.js'
import type { Log } from '../log.js'
import { Collector } from './collector.js'
import { collectorMetrics } from './metrics.js'

/**
 * What passes through a collector lies outside of V8's heap, which is small. V8 adds both up, and would mark the whole heap twice a second for the sake of
 * buffers that a scavenge frees as well: at 28 MB/s of perf's text that took a quarter of the collector's CPU. With room to grow it does so every 20 s.
 */
const heapGrowth = '--heap-growing-percent=400'

/** Runs a collector until its inputs end or `signal` comes; `giveUp` comes later and ends all waiting for Kafka. */
export async function runCollector(
  pipeline: CollectPipeline,
  log: Log,
  signal: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  setFlagsFromString(heapGrowth)
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
