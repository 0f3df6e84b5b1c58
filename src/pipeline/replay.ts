import { setTimeout as sleep } from 'node:timers/promises'
import { threadLine } from '../perf/index.js'
import type { Track } from '../transport/envelope.js'
import { pack } from '../transport/packing.js'
import { type Topics, tracks } from '../transport/topics.js'
import type { Producer } from '../transport/transport.js'
import { type CutPiece, cutterFor } from './cutter.js'
import { dataClock } from './dataTime.js'
import type { OfflineSource } from './offlineSource.js'
import { endMessage, newStreamId, pieceMessage, type StreamIdentity, tracksHeader } from './shipper.js'

export interface ReplayOptions {
  readonly topics: Topics
  /** How many copies of the source to ship, under suffixed names. */
  readonly sources: number
  /** 2 ships twice as fast as it was recorded; undefined: as fast as it goes. */
  readonly speed: number | undefined
  readonly messageBytes: number
  readonly signal?: AbortSignal | undefined
}

export interface ReplayResult {
  readonly sources: readonly string[]
  readonly messages: number
  readonly bytes: number
}

/** Tracks whose clocks differ by more than this do not run on the same clock. */
const sameClockMs = 3_600_000

/** Ships a capture as if it were live: both tracks side by side in the order of their own time, timestamps unchanged. */
export async function replay(
  capture: OfflineSource,
  producer: Pick<Producer, 'send'>,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { topics, signal } = options
  const identities = identitiesOf(capture, options.sources)
  const shipping = tracks.flatMap((track) => {
    const input = capture.inputs[track]?.chunks
    const chunks = track === 'perf' && input !== undefined ? withThreads(capture.names.threads, input) : input
    return chunks === undefined ? [] : [{ track, pieces: timedPieces(track, chunks, options.messageBytes) }]
  })
  const result = { sources: identities.map(({ source }) => source), messages: 0, bytes: 0 }
  const pace = pacer(options.speed, signal)
  for await (const { track, piece, endAt, atMs } of inOrderOfTime(shipping)) {
    await pace(atMs)
    if (signal?.aborted === true) break
    const packed = piece === undefined ? undefined : { piece, bytes: await pack(piece.bytes) }
    const messages = identities.map((identity) =>
      packed === undefined
        ? endMessage(topics, identity, track, endAt)
        : pieceMessage(topics, identity, track, packed.piece, packed.bytes),
    )
    await producer.send(messages)
    result.messages += messages.length
    result.bytes += messages.length * (piece?.bytes.length ?? 0)
  }
  return result
}

/** The ids of threads outside and inside their pid namespace stand in the manifest; a stream has them in perf's text. */
async function* withThreads(
  threads: ReadonlyMap<number, number> | undefined,
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const lines = [...(threads ?? [])].map(([inside, outside]) => threadLine(outside, inside))
  if (lines.length > 0) yield Buffer.from(lines.join(''))
  yield* chunks
}

function identitiesOf({ names, run, inputs }: OfflineSource, sources: number): StreamIdentity[] {
  const stream = newStreamId()
  return Array.from({ length: sources }, (_, index) => ({
    source: sources === 1 ? names.source : `${names.source}~${index + 1}`,
    service: names.service,
    host: names.host,
    stream,
    run,
    tracks: tracksHeader({ gotrace: inputs.gotrace !== undefined, perf: inputs.perf !== undefined }),
    clockMonotonicNs: names.clock?.monotonicNs,
    clockWallNs: names.clock?.wallNs,
    perfClock: names.perfClock,
  }))
}

interface TimedPiece {
  /** Undefined for the end of the track, which is at `endAt`. */
  readonly piece: CutPiece | undefined
  readonly endAt: number
  /** ms since the first event of the capture. */
  readonly atMs: number
}

async function* timedPieces(
  track: Track,
  chunks: AsyncIterable<Uint8Array>,
  messageBytes: number,
): AsyncGenerator<TimedPiece> {
  const cutter = cutterFor(track, messageBytes)
  const clock = dataClock(track)
  let endAt = 0
  let atMs = -Infinity
  function* timed(pieces: CutPiece[]) {
    for (const piece of pieces) {
      atMs = clock.after(piece.bytes) ?? atMs
      endAt = piece.position + piece.bytes.length
      yield { piece, endAt, atMs }
    }
  }
  for await (const chunk of chunks) yield* timed(cutter.push(chunk))
  yield* timed(cutter.end())
  yield { piece: undefined, endAt, atMs }
}

/** Merges the tracks by time; the times become relative to the first event, of each track when their clocks are not the same. */
async function* inOrderOfTime(shipping: readonly { track: Track; pieces: AsyncGenerator<TimedPiece> }[]) {
  const heads: { track: Track; pieces: AsyncGenerator<TimedPiece>; head: TimedPiece; originMs: number }[] = []
  for (const { track, pieces } of shipping) {
    const first = await pieces.next()
    if (first.done !== true) heads.push({ track, pieces, head: first.value, originMs: first.value.atMs })
  }
  const origins = heads.map(({ originMs }) => originMs).filter(Number.isFinite)
  const together = origins.length > 0 && Math.max(...origins) - Math.min(...origins) < sameClockMs
  if (together) for (const entry of heads) entry.originMs = Math.min(...origins)
  while (heads.length > 0) {
    heads.sort((a, b) => a.head.atMs - a.originMs - (b.head.atMs - b.originMs))
    const next = heads[0]!
    if (!Number.isFinite(next.originMs)) next.originMs = next.head.atMs
    const atMs = next.head.atMs - next.originMs
    yield { track: next.track, ...next.head, atMs: Number.isFinite(atMs) ? atMs : 0 }
    const following = await next.pieces.next()
    if (following.done === true) heads.shift()
    else next.head = following.value
  }
}

function pacer(speed: number | undefined, signal: AbortSignal | undefined): (atMs: number) => Promise<void> {
  const startMs = Date.now()
  return async (atMs) => {
    if (speed === undefined) return
    const waitMs = startMs + atMs / speed - Date.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
  }
}
