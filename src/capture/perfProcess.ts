import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex, Readable } from 'node:stream'
import { perfFailure, perfMissing } from './perfFailure.js'

/** Where `startPerfRecord` puts perf's control channel in the child. */
export const controlFds = { commandFd: 3, ackFd: 4 } as const

export interface PerfExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** A `perf record` that is recording. */
export interface PerfProcess {
  /** perf.data as it comes, when the output is `-`. */
  readonly stdout: Readable
  /** Settles when perf ends by itself (its target is gone) or after `stop`. */
  readonly exited: Promise<PerfExit>
  /** Asks perf to finish its file and waits for it. */
  stop(): Promise<PerfExit>
}

/** stderr is kept for messages only: the beginning says why perf failed. */
const keptStderrBytes = 8192
/** perf writes out its buffers after SIGINT; a perf that takes longer than this is stuck. */
const stopTimeoutMs = 20_000

/**
 * Starts `perf record` (arguments from `perfRecordArgs` with `controlFds`) and returns once perf has acknowledged that its events are on.
 * @throws UserError with one sentence when perf is missing, not permitted, or ends before it records.
 */
export async function startPerfRecord(args: readonly string[], cwd?: string): Promise<PerfProcess> {
  const child = spawn('perf', args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C at the terminal reaches dualtrace, which stops perf last.
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
    env: perfEnvironment(),
  })
  const exited = watch(child)
  const [, , , command, ack] = child.stdio as [null, Readable, Readable, Duplex, Duplex]
  // perf going away closes the channel; `exited` tells why.
  command.on('error', () => undefined)
  ack.on('error', () => undefined)
  const acknowledged = new Promise<'recording'>((resolve) => ack.once('data', () => resolve('recording')))
  command.write('enable\n')
  const first = await Promise.race([acknowledged, exited])
  if (first !== 'recording') throw perfFailure(first.stderr)
  return { stdout: child.stdout as Readable, exited, stop: () => stop(child, exited) }
}

/** Runs `perf script`; its text is the iterable. Ends with a UserError when perf fails. `input` feeds perf.data to `-i -`. */
export async function* runPerfScript(args: readonly string[], options: { cwd?: string; input?: Readable } = {}) {
  const child = spawn('perf', args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: perfEnvironment(),
  })
  const exited = watch(child)
  exited.catch(() => undefined)
  if (options.input !== undefined && child.stdin !== null) {
    child.stdin.on('error', () => undefined)
    options.input.pipe(child.stdin)
  }
  try {
    for await (const chunk of child.stdout as Readable) yield chunk as Uint8Array
    const { code, stderr } = await exited
    if (code !== 0) throw perfFailure(stderr)
  } finally {
    child.kill('SIGKILL')
  }
}

function watch(child: ChildProcess): Promise<PerfExit> {
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < keptStderrBytes) stderr += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? perfMissing() : error)
    })
    child.on('close', (code, signal) => resolve({ code, signal, stderr }))
  })
}

async function stop(child: ChildProcess, exited: Promise<PerfExit>): Promise<PerfExit> {
  child.kill('SIGINT')
  const stuck = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  try {
    return await exited
  } finally {
    clearTimeout(stuck)
  }
}

/** perf's numbers and messages are read by us: no locale, no pager, no user configuration that changes its output. */
function perfEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', PERF_PAGER: 'cat', PERF_CONFIG: '/dev/null' }
}
