import { hostname } from 'node:os'
import { readClockPair } from '../../capture/clockPair.js'
import { PerfStream, type PerfStreamOptions } from '../../capture/perfStream.js'
import type { Target } from '../../capture/target.js'
import type { Log } from '../log.js'
import { newStreamId, type StreamIdentity, tracksHeader } from '../shipper.js'
import type { CpuGovernor } from './governor.js'
import { type GoSource, goTraceOf } from './goSource.js'
import type { InputStatus } from './status.js'
import { shipTrack, type TrackDestination } from './trackShipper.js'

export interface InstanceOptions {
  /** Absent: as the process says. */
  readonly service: string | undefined
  /** Absent: as the system says. */
  readonly host: string | undefined
  readonly goSource: GoSource | undefined
  /** Undefined: no perf. */
  readonly perf: Pick<PerfStreamOptions, 'frequencyHz' | 'syscalls' | 'bufferBytes' | 'rotateEveryMs'> | undefined
}

export interface InstanceContext extends TrackDestination {
  readonly log: Log
  /** Ends the collecting, however long the process lives. */
  readonly signal: AbortSignal
  readonly governor: CpuGovernor
}

/** Collects both tracks of a running process until it ends or the signal comes. Resolves when all of it is in the outbox. */
export async function collectInstance(
  target: Target,
  options: InstanceOptions,
  context: InstanceContext,
  status: InputStatus,
): Promise<void> {
  const identity = identityOf(target, options)
  status.source = identity.source
  status.instances++
  const log = context.log.child({ source: identity.source })
  log.info('collecting')
  const over = new AbortController()
  const stop = () => over.abort()
  context.signal.addEventListener('abort', stop)
  if (context.signal.aborted) stop()
  void target.exited.then(stop, stop)
  const { goSource, perf } = options
  const jobs: Promise<void>[] = []
  if (perf !== undefined) jobs.push(collectPerf(target, perf, identity, context, status, over.signal, log))
  if (goSource !== undefined) {
    if (goSource.kind === 'socket') await goSource.socket.admit(target.pid)
    const trace = goTraceOf(goSource, target, over.signal, log, status.gotrace)
    jobs.push(shipTrack('gotrace', trace, identity, context, status, () => status.gotrace.isOpen))
  }
  try {
    await Promise.all(jobs)
  } finally {
    context.signal.removeEventListener('abort', stop)
    status.source = undefined
    await target.release()
  }
  log.info({ gotrace: status.gotrace, perf: status.perf }, 'collected to the end')
}

async function collectPerf(
  target: Target,
  perf: NonNullable<InstanceOptions['perf']>,
  identity: StreamIdentity,
  context: InstanceContext,
  status: InputStatus,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const stream = new PerfStream({ ...perf, pid: target.pid, signal, note: (text) => log.warn(text) })
  // The counters of the input go on over all its processes.
  const before = { ...status.perf }
  async function* text() {
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
  const leave = context.governor.watch(stream, log)
  try {
    await shipTrack('perf', text(), identity, context, status, () => true)
  } finally {
    leave()
  }
}

function identityOf(target: Target, options: InstanceOptions): StreamIdentity {
  const host = options.host ?? hostname()
  const service = options.service ?? target.name
  const clock = readClockPair()
  return {
    source: [host, service, String(target.pid), target.start].map((part) => part.replaceAll('/', '_')).join('/'),
    service,
    host,
    stream: newStreamId(),
    tracks: tracksHeader({ gotrace: options.goSource !== undefined, perf: options.perf !== undefined }),
    clockMonotonicNs: clock.monotonicNs,
    clockWallNs: clock.wallNs,
    perfClock: options.perf === undefined ? undefined : 'CLOCK_MONOTONIC',
  }
}
