import { hostname } from 'node:os'
import { tables } from '../measures/tables.js'
import { newRegistry } from '../status/metrics.js'
import { serveStatus } from '../status/server.js'
import { QuestdbStore } from '../store/questdb.js'
import { KafkaTransport, wireBytes } from '../transport/kafka.js'
import { topicNames, topicSpecs } from '../transport/topics.js'
import type { NormalizePipeline } from './config.js'
import { newCounts } from './counts.js'
import { Deliveries } from './deliveries.js'
import type { Log } from './log.js'
import { Normalizer } from './normalizer.js'
import { normalizerMetrics } from './normalizerMetrics.js'
import { Supervisor } from './supervisor.js'
import { untilStopped } from './untilStopped.js'

/** Runs a normalizer until `signal`; `giveUp` comes later and ends all waiting for Kafka and QuestDB. */
export async function runNormalizer(
  pipeline: NormalizePipeline,
  log: Log,
  signal: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { kafka, questdb, status } = pipeline
  // Nothing is in memory yet while it waits for a first answer: that may end at once.
  const starting = new AbortController()
  const startingSignal = AbortSignal.any([starting.signal, giveUp])
  const abortStart = () => starting.abort()
  signal.addEventListener('abort', abortStart)
  const topics = topicNames(kafka.topicPrefix)
  const counts = newCounts()
  const transport = new KafkaTransport({
    brokers: kafka.brokers,
    tls: kafka.tls,
    sasl: kafka.sasl,
    clientId: `dualtrace-normalizer-${hostname()}`,
    onWarning: (text) => log.warn(text),
    onRetry: () => counts.kafkaRetries++,
    signal: startingSignal,
  })
  const store = new QuestdbStore({
    ...questdb,
    tables,
    onRetry: (error, waitMs) => {
      counts.questdbRetries++
      log.warn({ reason: reasonOf(error) }, `QuestDB at ${questdb.url} does not answer; trying again in ${waitMs} ms`)
    },
    signal: startingSignal,
  })
  const normalizer = new Normalizer({
    transport,
    store,
    topics,
    group: pipeline.group,
    sessionTimeoutMs: pipeline.sessionTimeout,
    log,
    counts,
    deliveries: new Deliveries(counts),
    thresholds: pipeline.thresholds,
    checkpointEveryMs: pipeline.checkpointEvery,
    latenessMs: pipeline.lateness,
    idleMs: pipeline.idle,
    maxPendingBytes: pipeline.maxPending,
    rememberMs: kafka.retention,
  })
  const supervisor = new Supervisor({
    supervised: normalizer,
    store: 'questdb',
    slowStore: 'QuestDB has not acknowledged rows',
    stuck: counts.stuck,
    topics,
    log,
    stuckAfterMs: pipeline.stuckAfter,
  })
  const registry = newRegistry(normalizerMetrics({ counts, normalizer, supervisor, wire: wireBytes }))
  const notReady = () => supervisor.notReady()
  const server = await serveStatus(status, registry, notReady)
  await transport.ensureTopics(topicSpecs(topics, kafka.partitions, kafka.retention))
  await normalizer.start()
  signal.removeEventListener('abort', abortStart)
  supervisor.start()
  log.info({ brokers: kafka.brokers, questdb: questdb.url, group: pipeline.group }, 'normalizing')
  try {
    await untilStopped(signal, giveUp, supervisor.hopeless, () => normalizer.stop())
    await transport.close()
    log.info({ compression: compression() }, 'stopped; everything is written and committed')
  } finally {
    supervisor.stop()
    await server?.close()
  }
}

/** How many times smaller what was received is on its way. */
function compression(): number | undefined {
  const { receivedBytes, receivedPackedBytes } = wireBytes
  return receivedPackedBytes === 0 ? undefined : Number((receivedBytes / receivedPackedBytes).toPrecision(3))
}

/** fetch hides the reason in the cause. */
function reasonOf(error: Error): string {
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? `${error.message}: ${cause.message}` : error.message
}
