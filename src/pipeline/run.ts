import { hostname } from 'node:os'
import { KafkaTransport } from '../transport/kafka.js'
import { topicNames, topicSpecs } from '../transport/topics.js'
import type { CollectPipeline, Pipeline } from './config.js'
import type { Log } from './log.js'
import { openCapture } from './offline.js'
import { shipProcess } from './processInput.js'
import { replay } from './replay.js'
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
