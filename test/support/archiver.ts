import { setTimeout } from 'node:timers/promises'
import { pino } from 'pino'
import { Archiver, type ArchiverOptions } from '../../src/pipeline/archive/archiver.js'
import { Supervisor } from '../../src/pipeline/supervisor.js'
import { encodeEnvelope, type Envelope } from '../../src/transport/envelope.js'
import { topicNames } from '../../src/transport/topics.js'
import type { ConsumeOptions, Consumer, InMessage, TopicOffset, Transport } from '../../src/transport/transport.js'

const topics = topicNames('')

/** A message of perf's text, of the run of a source that begins at noon. */
export const perfMessage = (source: string, position: number) => ({
  ...({
    source,
    service: 's',
    host: 'h',
    stream: '1795435200000-abc',
    track: 'perf',
    tracks: 'perf',
    position,
  } as const),
  ...{ clockMonotonicNs: '0', clockWallNs: '1795435200000000000' },
})

export const record = Buffer.from('svc 1/1 [000] 5.000000000: 1 cpu-clock:\n\n')

/** An archiver that gets its messages from a test, of one partition; `firstOffset`: of the first message. */
export async function startArchiver(archive: string, options: Partial<ArchiverOptions> = {}, firstOffset = 0n) {
  let consuming: ConsumeOptions
  let offset = firstOffset
  const committed: TopicOffset[] = []
  /** Where the topic of perf ends, and what the consumer was told when it had to start again. */
  const kafka = { perfEnd: firstOffset, restarts: [] as string[] }
  const lines: { msg: string; reason?: string }[] = []
  const giveUp = new AbortController()
  const consumer = {
    commit: (offsets: readonly TopicOffset[]) => Promise.resolve(void committed.push(...offsets)),
    committed: () => Promise.resolve(new Map([[0, firstOffset]])),
    endOffsets: (topic: string) => Promise.resolve(new Map([[0, topic === topics.perf ? kafka.perfEnd : firstOffset]])),
    restart: (reason: string) => Promise.resolve(void kafka.restarts.push(reason)),
    stop: () => Promise.resolve(),
  } as unknown as Consumer
  const transport = {
    consume: (given: ConsumeOptions) => {
      consuming = given
      return Promise.resolve(consumer)
    },
  } as unknown as Transport
  const write = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number])
  const log = pino({ base: null }, { write })
  const archiver = new Archiver({
    transport,
    topics,
    group: 'test',
    sessionTimeoutMs: 30_000,
    archive,
    log,
    flushEveryMs: 100,
    maxPendingBytes: 1 << 25,
    idleMs: 3_600_000,
    retention: { maxAgeMs: undefined, maxBytes: undefined, keepForMs: undefined },
    retentionEveryMs: 100,
    signal: giveUp.signal,
    ...options,
  })
  const supervisor = new Supervisor({
    ...{ supervised: archiver, store: 'disk', slowStore: 'it has been writing', stuck: archiver.counts.stuck },
    ...{ topics, log, stuckAfterMs: 1000 },
  })
  const failures: unknown[] = []
  await archiver.start((error) => failures.push(error))
  consuming!.onAssigned([0], consumer, false)
  return {
    archiver,
    supervisor,
    kafka,
    committed,
    failures,
    lines,
    async send(envelope: Omit<Envelope, 'schema'>, value: Uint8Array): Promise<bigint> {
      const message: InMessage = { offset: offset++, key: envelope.source, headers: encodeEnvelope(envelope), value }
      await consuming.onMessages(topics[envelope.track], 0, [message], () => Promise.resolve())
      return message.offset
    },
    async stop(): Promise<void> {
      supervisor.stop()
      giveUp.abort()
      await archiver.stop().catch(() => undefined)
    },
  }
}

/** Looks again and again until it is so. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(20)
}
