import { hostname } from 'node:os'
import { tables } from '../measures/tables.js'
import { QuestdbStore } from '../store/questdb.js'
import { KafkaTransport } from '../transport/kafka.js'
import { topicNames, topicSpecs } from '../transport/topics.js'
import type { CollectPipeline, NormalizePipeline, Pipeline } from './config.js'
import type { Log } from './log.js'
import { Normalizer } from './normalizer.js'
import { openCapture } from './offline.js'
import { shipProcess } from './processInput.js'
import { replay } from './replay.js'

/** After SIGTERM what is under way gets this long to be written; then it is left to the next start. */
const stopPatienceMs = 8000

/** Runs a pipeline until its inputs end or `signal` says so. Resolves when everything is flushed. */
export async function runPipeline(pipeline: Pipeline, log: Log, signal: AbortSignal): Promise<void> {
  // Ends all waiting for Kafka and QuestDB, later than `signal`.
  const giveUp = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const stopping = () => timers.push(setTimeout(() => giveUp.abort(), stopPatienceMs))
  signal.addEventListener('abort', stopping)
  try {
    if (pipeline.kind === 'normalize') await normalize(pipeline, log, signal, giveUp.signal)
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

async function normalize(
  pipeline: NormalizePipeline,
  log: Log,
  signal: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { kafka, questdb, thresholds } = pipeline
  // Nothing is in memory yet while it waits for a first answer: that may end at once.
  const starting = new AbortController()
  const startingSignal = AbortSignal.any([starting.signal, giveUp])
  const abortStart = () => starting.abort()
  signal.addEventListener('abort', abortStart)
  const topics = topicNames(kafka.topicPrefix)
  const transport = new KafkaTransport({
    brokers: kafka.brokers,
    clientId: `dualtrace-normalizer-${hostname()}`,
    onWarning: (text) => log.warn(text),
    signal: startingSignal,
  })
  const store = new QuestdbStore({
    ...questdb,
    tables,
    onRetry: (error, waitMs) =>
      log.warn({ reason: reasonOf(error) }, `QuestDB at ${questdb.url} does not answer; trying again in ${waitMs} ms`),
    signal: startingSignal,
  })
  await transport.ensureTopics(topicSpecs(topics, kafka.partitions, kafka.retention))
  const normalizer = new Normalizer({
    transport,
    store,
    topics,
    group: pipeline.group,
    sessionTimeoutMs: pipeline.sessionTimeout,
    log,
    thresholds: {
      ...(thresholds.netpollSpike === undefined ? {} : { netpollSpikeNs: thresholds.netpollSpike * 1e6 }),
      ...(thresholds.stopTheWorld === undefined ? {} : { stopTheWorldNs: thresholds.stopTheWorld * 1e6 }),
    },
    checkpointEveryMs: pipeline.checkpointEvery,
    latenessMs: pipeline.lateness,
    idleMs: pipeline.idle,
    maxPendingBytes: pipeline.maxPending,
  })
  await normalizer.start()
  signal.removeEventListener('abort', abortStart)
  log.info({ brokers: kafka.brokers, questdb: questdb.url, group: pipeline.group }, 'normalizing')
  await aborted(signal)
  await normalizer.stop()
  await transport.close()
  log.info('stopped; everything is written and committed')
}

async function collect(pipeline: CollectPipeline, log: Log, signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
  const { kafka, messageSize } = pipeline
  const topics = topicNames(kafka.topicPrefix)
  const transport = new KafkaTransport({
    brokers: kafka.brokers,
    clientId: `dualtrace-collector-${hostname()}`,
    onWarning: (text) => log.warn(text),
    signal: giveUp,
  })
  await transport.ensureTopics(topicSpecs(topics, kafka.partitions, kafka.retention))
  const jobs = pipeline.inputs.map(async (input) => {
    const producer = await transport.producer()
    if ('capture' in input) {
      const { directory, speed } = input.capture
      const options = { topics, sources: 1, speed, messageBytes: messageSize, signal }
      const { sources, bytes, messages } = await replay(await openCapture(directory), producer, options)
      log.info({ sources, bytes, messages }, 'shipped the capture')
    } else {
      const { pid, traceUrl, traceWindow: traceWindowMs, perf, service, host } = input.process
      const to = { producer, topics, messageBytes: messageSize, log, signal }
      await shipProcess({ pid, traceUrl, traceWindowMs, perf, service, host }, to)
    }
    await producer.close()
  })
  await Promise.all(jobs)
  await transport.close()
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** fetch hides the reason in the cause. */
function reasonOf(error: Error): string {
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? `${error.message}: ${cause.message}` : error.message
}
