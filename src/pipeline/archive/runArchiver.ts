import { mkdir, realpath } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { leaseDirectory } from '../../archive/layout.js'
import { UserError } from '../../errors.js'
import { newRegistry } from '../../status/metrics.js'
import { serveStatus, type StatusServer } from '../../status/server.js'
import { KafkaTransport } from '../../transport/kafka.js'
import { topicNames, topicSpecs } from '../../transport/topics.js'
import { lockDirectory } from '../lockDirectory.js'
import type { ArchivePipeline } from '../config.js'
import type { Log } from '../log.js'
import { Supervisor } from '../supervisor.js'
import { untilStopped } from '../untilStopped.js'
import { Archiver } from './archiver.js'
import { archiverMetrics } from './metrics.js'

/** Runs an archiver until `signal`; `giveUp` comes later and ends all waiting for Kafka and the disk. */
export async function runArchiver(
  pipeline: ArchivePipeline,
  log: Log,
  signal: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { kafka, group, status } = pipeline
  const archive = await openArchive(pipeline.directory)
  const unlock = await lockForWriting(archive)
  // Nothing is in memory yet while it waits for a first answer: that may end at once.
  const starting = new AbortController()
  const abortStart = () => starting.abort()
  signal.addEventListener('abort', abortStart)
  const topics = topicNames(kafka.topicPrefix)
  const transport = new KafkaTransport({
    brokers: kafka.brokers,
    tls: kafka.tls,
    sasl: kafka.sasl,
    clientId: `dualtrace-archiver-${hostname()}`,
    onWarning: (text) => log.warn(text),
    signal: AbortSignal.any([starting.signal, giveUp]),
  })
  const archiver = new Archiver({
    transport,
    topics,
    group,
    sessionTimeoutMs: pipeline.sessionTimeout,
    archive,
    log,
    flushEveryMs: pipeline.flushEvery,
    maxPendingBytes: pipeline.maxPending,
    idleMs: pipeline.idle,
    retention: { maxAgeMs: pipeline.maxAge, maxBytes: pipeline.maxSize, keepForMs: pipeline.keepFor },
    retentionEveryMs: pipeline.retentionEvery,
    signal: giveUp,
  })
  const supervisor = new Supervisor({
    supervised: archiver,
    store: 'disk',
    slowStore: `it has been writing to ${archive}`,
    stuck: archiver.counts.stuck,
    topics,
    log,
    stuckAfterMs: pipeline.stuckAfter,
  })
  const registry = newRegistry(archiverMetrics(archiver, supervisor))
  const notReady = () => supervisor.notReady()
  let server: StatusServer | undefined
  try {
    server = await serveStatus(status, registry, notReady)
    await transport.ensureTopics(topicSpecs(topics, kafka.partitions, kafka.retention))
    let fail: (error: unknown) => void = () => undefined
    const failed = new Promise<never>((_, reject) => (fail = reject))
    await archiver.start(fail)
    signal.removeEventListener('abort', abortStart)
    supervisor.start()
    log.info({ brokers: kafka.brokers, archive, group }, 'archiving')
    await untilStopped(signal, giveUp, Promise.race([failed, supervisor.hopeless]), () => archiver.stop())
    await transport.close()
    log.info(archiver.counts, 'stopped; everything is written and committed')
  } finally {
    supervisor.stop()
    await server?.close()
    await unlock()
  }
}

async function openArchive(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true })
    return await realpath(directory)
  } catch (error) {
    throw new UserError(`cannot make the archive ${directory}: ${(error as Error).message}`)
  }
}

/** Two archivers would write the same files. */
function lockForWriting(archive: string): Promise<() => Promise<void>> {
  const refusal = () => `another archiver writes to ${archive}: give each a directory of its own`
  return lockDirectory(join(archive, leaseDirectory, 'writer'), refusal)
}
