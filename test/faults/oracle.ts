import { setTimeout as sleep } from 'node:timers/promises'
import { Analysis } from '../../src/analysis/analysis.js'
import type { OutRow } from '../../src/measures/measure.js'
import type { StoredRow } from '../../src/store/store.js'
import { decodeEnvelope, type Envelope, type Track } from '../../src/transport/envelope.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { type Topics, tracks } from '../../src/transport/topics.js'
import type { InMessage } from '../../src/transport/transport.js'
import { computedRows, type RowsByTable } from '../support/storedRows.js'
import { tables } from '../../src/measures/tables.js'
import { upsertKeys } from '../../src/store/ddl.js'
import { StreamBytes } from './streamBytes.js'

interface Stream {
  readonly envelope: Envelope
  readonly bytes: Readonly<Record<Track, StreamBytes>>
}

export interface Truth {
  /** What must be stored, by source. */
  readonly rows: ReadonlyMap<string, RowsByTable>
  /** Every message there is, as `nameOf` names it. */
  readonly messages: ReadonlySet<string>
}

/** The truth about all that lies in Kafka at the end. */
export async function readTruth(brokers: readonly string[], topics: Topics): Promise<Truth> {
  const messages: InMessage[] = []
  for (const track of tracks) for (const message of await allMessages(brokers, topics[track])) messages.push(message)
  return truthOf(messages)
}

/**
 * What must be stored, told by nothing but messages, those of each track in the order of their topic: every stream of a source is put
 * together byte by byte and analysed in one piece; where streams of one run have rows of the same key, the later stream's stays.
 */
export function truthOf(messages: readonly InMessage[]): Truth {
  const sources = new Map<string, Map<string, Stream>>()
  const newest = new Map<string, string>()
  const names = new Set<string>()
  for (const { headers, value } of messages) {
    const envelope = decodeEnvelope(headers)
    if (typeof envelope === 'string') throw new Error(envelope)
    names.add(nameOf(envelope))
    // It says nothing but that somebody is there.
    if (envelope.alive === true) continue
    const { source, stream, track } = envelope
    // What comes of a stream after a newer one has begun is late.
    const newestKey = `${track} ${source}`
    if (stream < (newest.get(newestKey) ?? '')) continue
    newest.set(newestKey, stream)
    const streams = sources.get(source) ?? new Map<string, Stream>()
    sources.set(source, streams)
    const known = streams.get(stream) ?? newStream(envelope)
    streams.set(stream, known)
    known.bytes[track].append(envelope, value)
  }
  const rows = new Map([...sources].map(([source, streams]) => [source, rowsOf(source, streams)]))
  return { rows, messages: names }
}

/** The same for a message that was sent twice. */
export function nameOf({ source, stream, track, position, end, alive }: Envelope): string {
  return JSON.stringify([source, stream, track, position, end, alive])
}

function newStream(envelope: Envelope): Stream {
  return { envelope, bytes: { gotrace: new StreamBytes('gotrace'), perf: new StreamBytes('perf') } }
}

function rowsOf(source: string, streams: ReadonlyMap<string, Stream>): RowsByTable {
  const merged = new Map<string, StoredRow>()
  const keys = new Map(tables.map((table) => [table.name, upsertKeys(table)]))
  for (const [, stream] of [...streams].sort(([a], [b]) => (a < b ? -1 : 1)))
    for (const { table, row } of analyse(stream)) {
      const { run = stream.envelope.stream } = stream.envelope
      const key = keys.get(table)!.map((name) => String(row[name]))
      merged.set(JSON.stringify([table, run, ...key]), { table, row, run })
    }
  return computedRows([...merged.values()], source)
}

function analyse({ envelope, bytes }: Stream): OutRow[] {
  const { source, service, host, perfClock, clockMonotonicNs, clockWallNs } = envelope
  const present = envelope.tracks.split(',')
  const clock =
    clockMonotonicNs === undefined || clockWallNs === undefined
      ? undefined
      : { monotonicNs: clockMonotonicNs, wallNs: clockWallNs }
  const has = { gotrace: present.includes('gotrace'), perf: present.includes('perf') }
  const analysis = new Analysis({ source, service, host, clock, perfClock, tracks: has })
  const feeding = { gotrace: bytes.gotrace.feedInto(analysis), perf: bytes.perf.feedInto(analysis) }
  // All at once would have the readers keep, and move, all that waits.
  for (let track = analysis.starving; track !== undefined; track = analysis.starving) {
    feeding[track].next()
    analysis.pump()
  }
  return analysis.takeRows()
}

/** Every message of a topic, each partition in its order. */
async function allMessages(brokers: readonly string[], topic: string): Promise<InMessage[]> {
  const transport = new KafkaTransport({ brokers, clientId: 'oracle', onWarning: () => undefined })
  const found = new Map<number, InMessage[]>()
  const consumer = await transport.consume({
    group: `oracle-${process.pid}-${Date.now()}`,
    sessionTimeoutMs: 30_000,
    topics: [topic],
    onAssigned: () => undefined,
    onMessages: (_topic, partition, messages) => {
      found.set(partition, [...(found.get(partition) ?? []), ...messages])
      return Promise.resolve()
    },
  })
  const ends = await consumer.endOffsets(topic)
  const complete = () =>
    [...ends].every(([partition, end]) => end === 0n || (found.get(partition)?.at(-1)?.offset ?? -1n) >= end - 1n)
  while (!complete()) await sleep(50)
  await consumer.stop()
  await transport.close()
  return [...found].sort(([a], [b]) => a - b).flatMap(([, messages]) => messages)
}
