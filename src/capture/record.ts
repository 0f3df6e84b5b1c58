import { mkdtemp, rename, rm } from 'node:fs/promises'
import { hostname, release } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readClockPair } from './clockPair.js'
import { captureFiles, createCaptureDirectory, writeManifest } from './directory.js'
import type { Manifest } from './manifest.js'
import { mayMissThreads, type PerfRecorder, startPerfRecorder } from './perfRecorder.js'
import { writePerfText } from './perfText.js'
import { attach, launch, type Target } from './target.js'
import { type ThreadIds, ThreadWatch } from './threadWatch.js'
import { usableSyscalls } from './usableSyscalls.js'
import { type TraceResult, type TraceSource, traceSource } from './traceSource.js'

export interface RecordOptions {
  /** A running process, or a command to start: exactly one of the two. */
  readonly target: { readonly pid: number } | { readonly command: readonly string[] }
  /** Where the Go trace comes from; neither records perf alone. */
  readonly traceUrl?: string | undefined
  readonly traceFile?: string | undefined
  readonly durationMs: number
  readonly out?: string | undefined
  /** Names in the manifest and in perf's header, instead of this machine's and the process's. */
  readonly host?: string | undefined
  readonly service?: string | undefined
  readonly frequencyHz: number
  readonly syscalls: readonly string[]
  readonly bufferBytes: number
  readonly keepPerfData: boolean
  /** Ends the recording early; what was recorded is finished and kept. */
  readonly signal?: AbortSignal
  /** One line for the person watching. */
  readonly note: (text: string) => void
}

export interface RecordResult {
  readonly directory: string
  readonly manifest: Manifest
  /** What is not in the capture, a sentence each; empty when it is whole. */
  readonly missing: readonly string[]
}

interface Recording {
  readonly options: RecordOptions
  readonly target: Target
  readonly source: TraceSource
  readonly host: string
  readonly service: string
  readonly directory: string
  /** The directory was made for this recording. */
  readonly isNew: boolean
  /** Inside the directory; perf.data lives here until it has become text. */
  readonly scratch: string
  readonly notes: string[]
}

const dataFiles = { main: 'main.data', calls: 'calls.data', wakeups: 'wakeups.data' } as const

/**
 * Records both tracks of a process into a capture directory. perf starts before the Go trace and ends after it.
 * @throws UserError when nothing could be recorded; the directory is then left empty or not made.
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const source = traceSource({ ...options, starting: 'command' in options.target })
  const target = await ('pid' in options.target ? attach(options.target.pid) : launch(options.target.command))
  try {
    const host = options.host ?? hostname()
    const service = options.service ?? target.name
    const directory = options.out ?? `dualtrace-${service.replaceAll(/[^\w.-]/g, '_')}-${target.pid}`
    const isNew = await createCaptureDirectory(directory)
    const scratch = await mkdtemp(join(directory, '.perf-'))
    const recording = { options, target, source, host, service, directory, isNew, scratch, notes: [] }
    return await finishing(recording, recordBoth(recording))
  } finally {
    await target.release()
  }
}

/** Removes the scratch folder, and after a failure the files that are no capture. */
async function finishing(recording: Recording, result: Promise<RecordResult>): Promise<RecordResult> {
  const { directory, scratch, isNew } = recording
  try {
    const done = await result
    await rm(scratch, { recursive: true, force: true })
    return done
  } catch (error) {
    const leftovers = isNew
      ? [directory]
      : [scratch, ...Object.values(captureFiles).map((file) => join(directory, file))]
    for (const path of leftovers) await rm(path, { recursive: true, force: true })
    throw error
  }
}

async function recordBoth(recording: Recording): Promise<RecordResult> {
  const { options, target, scratch, notes } = recording
  const { names, numbers, notes: unknown } = await usableSyscalls(options.syscalls, target.executable)
  notes.push(...unknown)
  const { frequencyHz, bufferBytes } = options
  const perf = await startPerfRecorder(
    { pid: target.pid, comms: target.comms, frequencyHz, syscalls: names, syscallNumbers: numbers, bufferBytes },
    // Who wants to keep perf.data wants all of the process in it.
    { ...dataFiles, calls: options.keepPerfData ? undefined : dataFiles.calls, cwd: scratch },
  )
  const attachedNs = process.hrtime.bigint()
  notes.push(...perf.notes)
  if (perf.startedMeanwhile > 0) notes.push(mayMissThreads(perf.startedMeanwhile))
  const clock = readClockPair()
  const over = new AbortController()
  const watch = new ThreadWatch(target.pid, over.signal)
  let traced: TraceResult
  try {
    traced = await recordTrace(recording, perf)
  } finally {
    over.abort()
    await watch.ended
    await perf.stop()
  }
  const { lostEvents, perfVersion } = await keepPerf(recording, perf, attachedNs)
  const manifest = describe(recording, { clock, traced, threads: watch.take(), lostEvents, perfVersion })
  await writeManifest(recording.directory, manifest)
  for (const note of notes) options.note(`note: ${note}`)
  return { directory: recording.directory, manifest, missing: traced.missing }
}

/** Lets the target run, takes its trace, and returns when the recording is over, however it ended. */
async function recordTrace(
  { options, target, source, directory }: Recording,
  perf: PerfRecorder,
): Promise<TraceResult> {
  const { durationMs, signal } = options
  const startMs = Date.now()
  target.resume()
  const file = join(directory, captureFiles.gotrace)
  const trace = await source({ file, durationMs, targetExited: target.exited, signal })
  options.note(`recording process ${target.pid} (${target.name}) for ${durationMs / 1000} s; Ctrl-C ends it early`)
  const timer = new AbortController()
  // A trace through pprof started a moment after perf and has its own length: it says when the time is over.
  const timeIsOver = trace.done ?? sleep(durationMs, undefined, { signal: timer.signal }).catch(() => undefined)
  await Promise.race([timeIsOver, target.exited, perf.ended, interrupted(signal)])
  timer.abort()
  trace.finish()
  const lostTarget = 'pid' in options.target && signal?.aborted !== true && (await hasEnded(target))
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1)
  await target.release()
  const result = await trace.result()
  if (!lostTarget) return result
  const gone = `process ${target.pid} ended ${seconds} s into the recording; what was recorded until then is kept`
  return { ...result, missing: [gone, ...result.missing] }
}

/** perf and the trace notice the end of a process a moment before it is gone from /proc. */
async function hasEnded(target: Target): Promise<boolean> {
  return Promise.race([target.exited.then(() => true), sleep(200, false)])
}

function interrupted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve()
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function keepPerf(
  { options, host, directory, scratch, notes }: Recording,
  perf: PerfRecorder,
  attachedNs: bigint,
) {
  options.note('reading what perf recorded')
  const { lostEvents, perfVersion } = await writePerfText({
    cwd: scratch,
    mainData: dataFiles.main,
    bareData: [...(perf.hasCalls ? [dataFiles.calls] : []), ...(perf.wakeups === undefined ? [] : [dataFiles.wakeups])],
    host,
    fromNs: attachedNs,
    output: join(directory, captureFiles.perf),
  })
  if (lostEvents > 0)
    notes.push(
      `perf lost ${lostEvents} events, and times around them are unknown: a larger --buffer or fewer --syscalls helps`,
    )
  if (options.keepPerfData) await rename(join(scratch, dataFiles.main), join(directory, captureFiles.perfData))
  return { lostEvents, perfVersion }
}

interface Recorded {
  readonly clock: { readonly monotonicNs: string; readonly wallNs: string }
  readonly traced: TraceResult
  readonly threads: readonly ThreadIds[]
  readonly lostEvents: number
  readonly perfVersion: string | undefined
}

function describe(recording: Recording, recorded: Recorded): Manifest {
  const { clock, traced, threads, lostEvents, perfVersion } = recorded
  const { host, service, target, options, notes } = recording
  const { goVersion } = traced
  return {
    schemaVersion: 1,
    source: [host, service, String(target.pid), target.start].map((part) => part.replaceAll('/', '_')).join('/'),
    service,
    host,
    pid: target.pid,
    clock,
    ...(goVersion === undefined ? {} : { gotrace: { file: captureFiles.gotrace } }),
    perf: { file: captureFiles.perf, clock: 'CLOCK_MONOTONIC', lostEvents, notes },
    ...(threads.length === 0 ? {} : { threads: [...threads] }),
    recorded: {
      by: 'dualtrace record',
      ...(target.command.length === 0 ? {} : { command: [...target.command] }),
      durationMs: options.durationMs,
      kernel: release(),
      ...(goVersion === undefined ? {} : { go: goVersion }),
      ...(perfVersion === undefined ? {} : { perf: perfVersion }),
    },
  }
}
