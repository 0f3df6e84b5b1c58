import type { Target } from '../../capture/target.js'
import type { Log } from '../log.js'
import { sinceInstant } from './since.js'
import type { GoTraceStatus } from './status.js'
import { tailTraceFile } from './tailFile.js'
import { traceDirectory } from './traceDirectory.js'
import type { TraceSocket } from './traceSocket.js'
import { traceWindows, type TraceWindowsOptions } from './windows.js'

/** Where the Go track of an input comes from as it is written. */
export type GoSource =
  | ({ readonly kind: 'url' } & TraceWindowsOptions)
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'socket'; readonly socket: TraceSocket }

/** A directory in which the dumps of a flight recorder appear: see DumpRuns. */
export interface DumpSource {
  readonly kind: 'dumps'
  readonly path: string
  readonly windowMs: number
  /** What perf's text of that window may take, packed. */
  readonly memoryBytes: number
}

/** The Go track of one process, until the signal comes: then it is read to its end. */
export function goTraceOf(
  source: GoSource,
  target: Target,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  // What a process wrote before it is collected has no perf beside it, or was collected by an earlier collector.
  const attachedNs = Number(process.hrtime.bigint())
  const startMs = Date.parse(target.start)
  switch (source.kind) {
    case 'url':
      return traceWindows(source, signal, log, status)
    case 'file':
      return sinceInstant(tailTraceFile(source.path, startMs, signal, log, status), attachedNs)
    case 'directory':
      return sinceInstant(traceDirectory(source.path, Date.now(), signal, log, status), attachedNs)
    case 'socket':
      return source.socket.traces(() => target.isAlive(), signal, status)
  }
}
