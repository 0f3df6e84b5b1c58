import { createWriteStream } from 'node:fs'
import { copyFile, open, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'
import { shownAddress } from '../secret.js'
import { isAborted } from './aborted.js'
import { type GoTraceStream, NotListening, goTraceUrl, openGoTraceStream } from './goTrace.js'
import { sniff } from './sniff.js'

/** What became of the Go track. */
export interface TraceResult {
  /** As the trace's header has it, `go 1.26`; undefined when there is no usable trace. */
  readonly goVersion?: string
  /** What is not there, a sentence each. */
  readonly missing: readonly string[]
}

export interface RunningTrace {
  /** Settles when the trace is over by itself; undefined when it lasts until it is fetched. */
  readonly done?: Promise<void>
  /** Ends it early. */
  finish(): void
  /** Call when the recording is over and, for a command, the command has ended. */
  result(): Promise<TraceResult>
}

export interface TraceStart {
  /** Where the trace goes. */
  readonly file: string
  readonly durationMs: number
  readonly targetExited: Promise<string>
  readonly signal: AbortSignal | undefined
}

/** One way to get at a Go trace. */
export type TraceSource = (start: TraceStart) => Promise<RunningTrace>

export interface TraceChoice {
  readonly traceUrl?: string | undefined
  readonly traceFile?: string | undefined
  /** Whether the process is only now being started, so that its endpoint may take a while. */
  readonly starting: boolean
}

/** Picks the source the options name; their form is checked before anything is started. */
export function traceSource(choice: TraceChoice): TraceSource {
  const { traceUrl, traceFile } = choice
  if (traceUrl !== undefined && traceFile !== undefined)
    throw new UserError('--trace-url and --trace-file exclude each other: give the one that has the Go trace')
  if (traceUrl !== undefined) {
    goTraceUrl(traceUrl, 1)
    return (start) => fromUrl(traceUrl, choice.starting, start)
  }
  if (traceFile !== undefined) return (start) => Promise.resolve(fromFile(traceFile, start))
  return () => Promise.resolve({ finish: () => undefined, result: () => Promise.resolve({ missing: [] }) })
}

/** How long a command may take until its pprof endpoint answers. */
const startupMs = 15_000
const retryMs = 20
/** A process that is asked to end its trace writes out its last generation. */
const finishTimeoutMs = 10_000
/** Go sends the first bytes of a trace after about a second: whoever interrupts the recording before wants what there is. */
const firstBytesMs = 5000

async function fromUrl(url: string, starting: boolean, start: TraceStart): Promise<RunningTrace> {
  const hangUp = new AbortController()
  let patience: NodeJS.Timeout | undefined
  const interrupt = () => (patience = setTimeout(() => hangUp.abort(), firstBytesMs))
  start.signal?.addEventListener('abort', interrupt)
  if (start.signal?.aborted === true) interrupt()
  // Once the trace has begun, an interruption asks for its end instead.
  const stream = await openWhenListening(url, starting, start, hangUp.signal).finally(() => {
    start.signal?.removeEventListener('abort', interrupt)
    clearTimeout(patience)
  })
  const done = pipeline(Readable.from(stream.chunks), createWriteStream(start.file))
  done.catch(() => undefined)
  return {
    done,
    finish: () => stream.finish(),
    result: async () => {
      const inTime = await Promise.race([done.then(() => true), sleep(finishTimeoutMs, false, { ref: false })])
      hangUp.abort()
      await done.catch(() => undefined)
      const whole = inTime && stream.complete()
      const missing = whole ? [] : ['the Go trace breaks off before its end, so its last second or so is missing']
      return { ...(await goVersion(start.file)), missing }
    },
  }
}

async function openWhenListening(
  url: string,
  starting: boolean,
  start: TraceStart,
  signal: AbortSignal,
): Promise<GoTraceStream> {
  const patience = { silenceMs: start.durationMs + finishTimeoutMs, signal }
  const deadlineMs = Date.now() + startupMs
  const ended = start.targetExited.then((how) => ({ how }))
  for (;;) {
    try {
      return await openGoTraceStream(url, start.durationMs / 1000, patience)
    } catch (error) {
      if (!starting || !(error instanceof NotListening) || Date.now() > deadlineMs) throw error
    }
    const wait = await Promise.race([ended, sleep(retryMs)])
    if (wait !== undefined)
      throw new UserError(`${wait.how} before its pprof endpoint ${shownAddress(url)} answered: see what it printed`)
    if (start.signal !== undefined && isAborted(start.signal))
      throw new UserError(`interrupted before the pprof endpoint ${shownAddress(url)} answered`)
  }
}

/** A trace the process writes by itself. */
function fromFile(path: string, start: TraceStart): RunningTrace {
  const startMs = Date.now()
  return {
    finish: () => undefined,
    result: async () => {
      const info = await stat(path).catch(() => undefined)
      if (info === undefined) return { missing: [`there is no Go trace: the process did not write ${path}`] }
      if (info.mtimeMs < startMs) return { missing: [`there is no Go trace: ${path} is older than the recording`] }
      await copyFile(path, start.file)
      const version = await goVersion(start.file)
      return { ...version, missing: version.goVersion === undefined ? [`${path} is not a Go trace`] : [] }
    },
  }
}

async function goVersion(file: string): Promise<{ goVersion?: string }> {
  const handle = await open(file).catch(() => undefined)
  if (handle === undefined) return {}
  try {
    const head = (await handle.read(Buffer.alloc(16), 0, 16, 0)).buffer
    return sniff(head) === 'gotrace' ? { goVersion: /^go 1\.\d+/.exec(head.toString('latin1'))![0] } : {}
  } finally {
    await handle.close()
  }
}
