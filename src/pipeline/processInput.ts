import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { readClockPair } from '../capture/clockPair.js'
import { openGoTrace } from '../capture/goTrace.js'
import { openLivePerf } from '../capture/livePerf.js'
import { attach, type Target } from '../capture/target.js'
import type { Track } from '../transport/envelope.js'
import type { Topics } from '../transport/topics.js'
import type { Producer } from '../transport/transport.js'
import { type CutPiece, cutterFor } from './cutter.js'
import type { Log } from './log.js'
import { Mutex } from './mutex.js'
import { endMessage, newStreamId, pieceMessage, type StreamIdentity, tracksHeader } from './shipper.js'

export interface ProcessInputOptions {
  readonly pid: number
  readonly traceUrl: string | undefined
  readonly traceWindowMs: number
  readonly perf: boolean
  readonly service: string | undefined
  readonly host: string | undefined
}

export interface ShipTo {
  readonly producer: Producer
  readonly topics: Topics
  readonly messageBytes: number
  readonly log: Log
  readonly signal: AbortSignal
}

/** perf text waits at most so long for a message to fill up. */
const flushEveryMs = 250
/** Wait before perf or the trace is asked for again after it failed. */
const restartAfterMs = 2000

/** Ships both tracks of a running process until it ends or the signal comes. Resolves when all is acknowledged. */
export async function shipProcess(options: ProcessInputOptions, to: ShipTo): Promise<void> {
  const target = await attach(options.pid)
  const identity = identityOf(target, options)
  to.log.info({ source: identity.source }, 'collecting')
  const over = new AbortController()
  const stop = () => over.abort()
  to.signal.addEventListener('abort', stop)
  void target.exited.then(stop, stop)
  const { traceUrl } = options
  const jobs: Promise<void>[] = []
  if (options.perf) jobs.push(shipTrack('perf', perfText(options.pid, over.signal, to.log), identity, to))
  if (traceUrl !== undefined)
    jobs.push(shipTrack('gotrace', traceWindows(traceUrl, options.traceWindowMs, over.signal, to.log), identity, to))
  try {
    await Promise.all(jobs)
  } finally {
    to.signal.removeEventListener('abort', stop)
    await target.release()
  }
}

function identityOf(target: Target, options: ProcessInputOptions): StreamIdentity {
  const host = options.host ?? hostname()
  const service = options.service ?? target.name
  const clock = readClockPair()
  return {
    source: [host, service, String(target.pid), target.start].map((part) => part.replaceAll('/', '_')).join('/'),
    service,
    host,
    stream: newStreamId(),
    tracks: tracksHeader({ gotrace: options.traceUrl !== undefined, perf: options.perf }),
    clockMonotonicNs: clock.monotonicNs,
    clockWallNs: clock.wallNs,
    perfClock: options.perf ? 'CLOCK_MONOTONIC' : undefined,
  }
}

async function shipTrack(track: Track, chunks: AsyncIterable<Uint8Array>, identity: StreamIdentity, to: ShipTo) {
  const cutter = cutterFor(track, to.messageBytes)
  const mutex = new Mutex()
  let endAt = 0
  const ship = (cut: () => CutPiece[]) =>
    mutex.run(async () => {
      const pieces = cut()
      const last = pieces.at(-1)
      if (last === undefined) return
      endAt = last.position + last.bytes.length
      await to.producer.send(pieces.map((piece) => pieceMessage(to.topics, identity, track, piece, Date.now())))
    })
  const flusher = setInterval(() => void ship(() => cutter.flush()).catch(() => undefined), flushEveryMs)
  try {
    for await (const chunk of chunks) await ship(() => cutter.push(chunk))
    await ship(() => cutter.end())
  } finally {
    clearInterval(flusher)
  }
  await to.producer.send([endMessage(to.topics, identity, track, endAt)])
}

/** perf's text for as long as the process lives; when perf itself fails it is started again, and the hole is said. */
async function* perfText(pid: number, signal: AbortSignal, log: Log): AsyncIterable<Uint8Array> {
  while (!signal.aborted) {
    try {
      const perf = await openLivePerf({ pid })
      for (const note of perf.notes) log.warn({ pid }, note)
      const stop = () => void perf.stop().catch(() => undefined)
      signal.addEventListener('abort', stop)
      yield* perf.text
      signal.removeEventListener('abort', stop)
      if (perf.lost() > 0) log.warn({ pid, lostEvents: perf.lost() }, 'perf lost events')
    } catch (error) {
      log.warn({ pid, reason: (error as Error).message }, 'perf failed; starting it again')
    }
    await sleep(restartAfterMs, undefined, { signal }).catch(() => undefined)
  }
}

/** One trace after another, back to back; each begins with its own header, which a reader takes for a new beginning. */
async function* traceWindows(url: string, windowMs: number, signal: AbortSignal, log: Log): AsyncIterable<Uint8Array> {
  const over = () => signal.aborted
  while (!over()) {
    try {
      for await (const chunk of openGoTrace(url, windowMs / 1000)) {
        yield chunk
        if (over()) return
      }
    } catch (error) {
      if (over()) return
      log.warn({ url, reason: (error as Error).message }, 'no trace; asking again')
      await sleep(restartAfterMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
