import { hostname } from 'node:os'
import { newRegistry } from '../status/metrics.js'
import { serveStatus } from '../status/server.js'
import { KafkaTransport, wireBytes } from '../transport/kafka.js'
import { topicNames, topicSpecs } from '../transport/topics.js'
import { Collector } from './collect/collector.js'
import { collectorMetrics } from './collect/metrics.js'
import type { CollectPipeline, Pipeline } from './config.js'
import type { Log } from './log.js'
import { runArchiver } from './archive/runArchiver.js'
import { runReprocessing } from './reprocess/schedule.js'
import { runNormalizer } from './runNormalizer.js'

/** After SIGTERM what is under way gets this long to be written; then it is left to the next start. */
const stopPatienceMs = 6000

/** Runs a pipeline until its inputs end or `signal` says so. Resolves when everything is flushed. */
export async function runPipeline(pipeline: Pipeline, log: Log, signal: AbortSignal): Promise<void> {
  // Ends all waiting for Kafka and QuestDB, later than `signal`.
  const giveUp = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const stopping = () => timers.push(setTimeout(() => giveUp.abort(), stopPatienceMs))
  signal.addEventListener('abort', stopping)
  try {
    if (pipeline.kind === 'normalize') await runNormalizer(pipeline, log, signal, giveUp.signal)
    else if (pipeline.kind === 'archive') await runArchiver(pipeline, log, signal, giveUp.signal)
    else if (pipeline.kind === 'reprocess') await runReprocessing(pipeline, log, signal)
    else await collect(pipeline, log, signal, giveUp.signal)
  } catch (error) {
    if (!signal.aborted) throw error
    log.warn(
      { reason: (error as Error).message },
      'stopped before everything was written; the next start goes on from there',
    )
  } finally {
    signal.removeEventListener('abort', stopping)
    timers.forEach(clearTimeout)
  }
}

async function collect(pipeline: CollectPipeline, log: Log, signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
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
