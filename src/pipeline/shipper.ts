import { randomBytes } from 'node:crypto'
import { encodeEnvelope, type Envelope, type Track } from '../transport/envelope.js'
import { packedHeaders } from '../transport/packing.js'
import type { Topics } from '../transport/topics.js'
import type { OutMessage } from '../transport/transport.js'
import type { CutPiece } from './cutter.js'

/** Bytes of a track in one message, before compression: below Kafka's default limit of 1 MiB with the headers. */
export const defaultMessageBytes = 1_000_000

export type StreamIdentity = Pick<
  Envelope,
  'source' | 'service' | 'host' | 'stream' | 'run' | 'tracks' | 'clockMonotonicNs' | 'clockWallNs' | 'perfClock'
>

/** Names one run of a shipper; later runs sort after earlier ones. */
export function newStreamId(): string {
  return `${beganAt(Date.now())}-${randomBytes(3).toString('hex')}`
}

/** Names what `record` made at this moment, ms since the epoch, whoever ships it and how often. */
export function captureRun(wallMs: number): string {
  return `${beganAt(wallMs)}-capture`
}

function beganAt(wallMs: number): string {
  return String(wallMs).padStart(14, '0')
}

export function tracksHeader(present: Readonly<Record<Track, boolean>>): Envelope['tracks'] {
  if (present.gotrace && present.perf) return 'gotrace,perf'
  return present.gotrace ? 'gotrace' : 'perf'
}

/** The message of one piece, whose bytes come packed. `shippedAtMs` is left out for data whose delay means nothing. */
export function pieceMessage(
  topics: Topics,
  identity: StreamIdentity,
  track: Track,
  piece: CutPiece,
  packed: Uint8Array,
  shippedAtMs?: number,
): OutMessage {
  const { generation, sequence, last, traceVersion } = piece
  const cut =
    track === 'gotrace' ? { generation, sequence, last: last ? (true as const) : undefined, traceVersion } : {}
  const envelope = encodeEnvelope({ ...identity, track, position: piece.position, shippedAtMs, ...cut })
  return { topic: topics[track], key: identity.source, headers: { ...envelope, ...packedHeaders }, value: packed }
}

/** The message that ends a track. */
export function endMessage(topics: Topics, identity: StreamIdentity, track: Track, position: number): OutMessage {
  const headers = encodeEnvelope({ ...identity, track, position, end: true })
  return { topic: topics[track], key: identity.source, headers, value: new Uint8Array(0) }
}

/** A sign of life of a track of which nothing comes. */
export function aliveMessage(topics: Topics, identity: StreamIdentity, track: Track, position: number): OutMessage {
  const headers = encodeEnvelope({ ...identity, track, position, alive: true })
  return { topic: topics[track], key: identity.source, headers, value: new Uint8Array(0) }
}
