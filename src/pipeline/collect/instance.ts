import { hostname } from 'node:os'
import { readClockPair } from '../../capture/clockPair.js'
import { PerfStream, type PerfStreamOptions } from '../../capture/perfStream.js'
import type { Target } from '../../capture/target.js'
import type { Track } from '../../transport/envelope.js'
import type { Log } from '../log.js'
import { newStreamId, type StreamIdentity, tracksHeader } from '../shipper.js'
import type { CpuGovernor } from './governor.js'
import { appearingFiles } from './appearingFiles.js'
import { DumpRuns } from './dumpRuns.js'
import { type DumpSource, type GoSource, goTraceOf } from './goSource.js'
import { LiveRuns } from './liveRuns.js'
import type { Outbox } from './outbox.js'
import { PerfMemory } from './perfMemory.js'
import { ShippedRun } from './shippedRun.js'
import type { InputStatus } from './status.js'
import type { TrackDestination } from './trackShipper.js'

export interface InstanceOptions {
  /** Absent: as the process says. */
  readonly service: string | undefined
  /** Absent: as the system says. */
  readonly host: string | undefined
  /** Undefined: there is no Go track. */
  readonly goSource: GoSource | DumpSource | undefined
  /** A Go source of which nothing comes for so long is away: the run goes on without it, and another one begins when it is back. */
  readonly awayAfterMs: number
  /** Undefined: no perf. */
  readonly perf: Pick<PerfStreamOptions, 'frequencyHz' | 'syscalls' | 'bufferBytes' | 'rotateEveryMs'> | undefined
}

export interface InstanceContext extends TrackDestination {
  readonly outbox: Pick<Outbox, 'offer' | 'tell' | 'stalledSinceMs'>
  readonly log: Log
  /** Ends the collecting, however long the process lives. */
  readonly signal: AbortSignal
  readonly governor: CpuGovernor
}

/** From the end of a dump to its being read. */
const noticedAfterMs = 5000

/** Collects both tracks of a running process until it ends or the signal comes. Resolves when all of it is in the outbox. */
export async function collectInstance(
  target: Target,
  options: InstanceOptions,
  context: InstanceContext,
  status: InputStatus,
): Promise<void> {
  const source = sourceOf(target, options)
  status.source = source
  status.instances++
  const log = context.log.child({ source })
  log.info('collecting')
  const over = new AbortController()
  const stop = () => over.abort()
  context.signal.addEventListener('abort', stop)
  if (context.signal.aborted) stop()
  void target.exited.then(stop, stop)
  const { goSource, perf } = options
  const note = (text: string) => log.warn(text)
  const stream = perf && new PerfStream({ ...perf, pid: target.pid, signal: over.signal, note })
  const shipping: Shipping = {
    begin: (isAlive) => new ShippedRun(identityOf(source, target, options), context, status, isAlive),
    stalledSinceMs: () => context.outbox.stalledSinceMs,
    ...{ target, stream, signal: over.signal, log, status },
  }
  const leave = stream && context.governor.watch(stream, log)
  const runs = goSource?.kind === 'dumps' ? dumpRuns(goSource, shipping) : liveRuns(goSource, options, shipping)
  const jobs = [runs.shipGo()]
  if (stream !== undefined) jobs.push(runs.shipPerf(counted(stream, status)))
  try {
    await Promise.all(jobs)
  } finally {
    leave?.()
    context.signal.removeEventListener('abort', stop)
    status.source = undefined
    await target.release()
  }
  log.info({ gotrace: status.gotrace, perf: status.perf }, 'collected to the end')
}

interface Shipping {
  readonly begin: (isAlive: (track: Track) => boolean) => ShippedRun
  readonly stalledSinceMs: () => number | undefined
  readonly target: Target
  readonly stream: PerfStream | undefined
  readonly signal: AbortSignal
  readonly log: Log
  readonly status: InputStatus
}

function liveRuns(
  goSource: GoSource | undefined,
  { awayAfterMs }: InstanceOptions,
  { begin, stalledSinceMs, target, stream, signal, log, status }: Shipping,
) {
  const runs = new LiveRuns({
    begin: () => begin((track) => track === 'perf' || status.gotrace.isOpen),
    perfOpening: stream && (() => stream.openingText()),
    ...{ awayAfterMs, stalledSinceMs, status: status.gotrace, log },
  })
  async function shipGo() {
    if (goSource === undefined) return
    if (goSource.kind === 'socket') await goSource.socket.admit(target.pid)
    await runs.shipGo(goTraceOf(goSource, target, signal, log, status.gotrace))
  }
  return { shipGo, shipPerf: (text: AsyncIterable<Uint8Array>) => runs.shipPerf(text) }
}

function dumpRuns({ path, windowMs, memoryBytes }: DumpSource, { begin, stream, signal, log, status }: Shipping) {
  const memory = new PerfMemory(windowMs + noticedAfterMs, memoryBytes)
  const runs = new DumpRuns({
    begin: () => begin(() => true),
    perf: stream && { memory, opening: () => stream.openingText() },
    // As of other sources: what is older has no perf beside it, or was collected by an earlier collector.
    sinceNs: Number(process.hrtime.bigint()),
    openForMs: (toNs) => windowMs + noticedAfterMs - Number(process.hrtime.bigint() - toNs) / 1e6,
    ...{ status, log },
  })
  const shipGo = () => runs.shipGo(appearingFiles(path, Date.now(), signal))
  return { shipGo, shipPerf: (text: AsyncIterable<Uint8Array>) => runs.shipPerf(text) }
}

/** perf's text, with what happens to it put into the state of the input, whose counters go on over all its processes. */
async function* counted(stream: PerfStream, status: InputStatus): AsyncIterable<Uint8Array> {
  const before = { ...status.perf }
  for await (const chunk of stream.text()) {
    const { counts } = stream
    const total = (name: keyof typeof counts) => before[name] + counts[name]
    Object.assign(status.perf, {
      detail: stream.detail,
      rotations: total('rotations'),
      restarts: total('restarts'),
      failedStarts: total('failedStarts'),
      lostEvents: total('lostEvents'),
    })
    yield chunk
  }
}

function sourceOf(target: Target, { host = hostname(), service = target.name }: InstanceOptions): string {
  return [host, service, String(target.pid), target.start].map((part) => part.replaceAll('/', '_')).join('/')
}

/** Of a run that begins now. */
function identityOf(source: string, target: Target, options: InstanceOptions): StreamIdentity {
  const clock = readClockPair()
  return {
    source,
    service: options.service ?? target.name,
    host: options.host ?? hostname(),
    stream: newStreamId(),
    tracks: tracksHeader({ gotrace: options.goSource !== undefined, perf: options.perf !== undefined }),
    clockMonotonicNs: clock.monotonicNs,
    clockWallNs: clock.wallNs,
    perfClock: options.perf === undefined ? undefined : 'CLOCK_MONOTONIC',
  }
}
