import { setTimeout as sleep } from 'node:timers/promises'
import { lostRecordText } from '../../src/perf/index.js'
import { pieceOf, TrackIntake } from '../../src/pipeline/intake.js'
import { decodeEnvelope, type Envelope } from '../../src/transport/envelope.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames } from '../../src/transport/topics.js'

export interface RawMessage {
  readonly envelope: Envelope
  readonly value: Buffer
  readonly offset: bigint
}

/** Reads both raw topics of a deployment from the start until nothing has come for `quietMs`: message by message, in the order of the topics. */
export async function readRawTopics(brokers: readonly string[], prefix: string, quietMs = 2000): Promise<RawMessage[]> {
  const transport = new KafkaTransport({ brokers, clientId: 'test', onWarning: () => undefined })
  const topics = topicNames(prefix)
  const found: RawMessage[] = []
  let lastMs = Infinity
  const consumer = await transport.consume({
    group: `${prefix}raw-reader-${Date.now()}`,
    sessionTimeoutMs: 10_000,
    topics: [topics.gotrace, topics.perf],
    onAssigned: () => (lastMs = Date.now()),
    onMessages: (_topic, _partition, messages) => {
      lastMs = Date.now()
      for (const { headers, value, offset } of messages) {
        const envelope = decodeEnvelope(headers)
        if (typeof envelope === 'string' || !('source' in envelope)) throw new Error(JSON.stringify(envelope))
        found.push({ envelope, value: Buffer.from(value), offset })
      }
      return Promise.resolve()
    },
  })
  while (Date.now() - lastMs < quietMs || lastMs === Infinity) await sleep(50)
  await consumer.stop()
  await transport.close()
  return found
}

/**
 * The bytes of one track of one run as a normalizer reads them, and whether they are there from first to last without a gap. Messages that came
 * twice count once. A gap in perf's text that no LOST record marks gets one.
 */
export function trackOf(messages: readonly RawMessage[], source: string, track: Envelope['track'], stream?: string) {
  const own = messages.filter(
    ({ envelope }) =>
      envelope.source === source && envelope.track === track && (stream === undefined || envelope.stream === stream),
  )
  let at = 0
  const pieces: Buffer[] = []
  const gaps: { at: number; bytes: number; isMarked: boolean }[] = []
  const intake = new TrackIntake(track)
  let inOrder = true
  for (const { envelope, value, offset } of own) {
    const { position } = envelope
    const fed = intake.accept(pieceOf(envelope, { offset, key: '', headers: {}, value }))
    if (position > at) {
      const isMarked = value.subarray(0, 100).includes('PERF_RECORD_LOST')
      gaps.push({ at, bytes: position - at, isMarked })
      if (track === 'perf' && !isMarked) pieces.push(lostRecordText(1_000_000_000n, 1))
    }
    if (position < at && position + value.length > at) inOrder = false
    if (position + value.length <= at) continue
    pieces.push(...fed.map(({ bytes }) => Buffer.from(bytes)))
    at = position + value.length
  }
  return { bytes: Buffer.concat(pieces), gaps, inOrder, ended: own.at(-1)?.envelope.end === true }
}
