import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { findExecutable } from './executables.js'
import { openInlet } from './gathered.js'
import { perfFailure, perfMissing } from './perfFailure.js'

/** Where `startPerfRecord` puts perf's control channel in the child. */
export const controlFds = { commandFd: 3, ackFd: 4 } as const

export interface PerfExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** A `perf record` that is ready to record. */
export interface PerfProcess {
  /**
   * Starts to record, and returns once perf has acknowledged that its events are on.
   * @throws UserError when perf has ended
   */
  enable(): Promise<void>
  /** perf record and, when `scriptArgs` were given, perf script. */
  readonly pids: readonly number[]
  /** What perf records, as text while it is recorded; only when `scriptArgs` were given. A chunk is valid until the next one is asked for. */
  readonly text: AsyncIterable<Uint8Array>
  /** Settles when perf ends by itself (its target is gone) or after `stop`. */
  readonly exited: Promise<PerfExit>
  /** Asks perf to finish what it writes and waits for it. */
  stop(): Promise<PerfExit>
  /** Nobody reads the text any more: perf script would wait for ever for somebody to take it. */
  drop(): void
}

export interface PerfRecordOptions {
  readonly cwd?: string | undefined
  /** Arguments of a `perf script` that turns stdout of a recording to `-` into text. */
  readonly scriptArgs?: readonly string[] | undefined
  /** Hands on every line at once instead of a KiB of them: for a text with few lines that another one waits for. */
  readonly byLine?: boolean
}

/** stderr is kept for messages only: the beginning says why perf failed. */
const keptStderrBytes = 8192
/** How long perf's records may lie in its ring buffers when they are read live. */
const flushMs = 100
/**
 * Text comes in writes of so much. Larger ones would lie in perf script for longer: the system calls of a quiet process (0.5 KB/s) in 4 KiB for
 * 8 s, nearly as long as a track may be silent before it is taken for over. 4 KiB would take 3 % less of perf script's CPU.
 */
const writeBytes = 1 << 10
/** Text is read so often: in that time a busy process fills about half of what a socket holds. */
const gatherMs = 3
/**
 * The texts of a recording are merged by time, so the others wait while one perf script reads the symbols of a program, which may take seconds: as
 * long as they can be read, their perfs lose nothing.
 */
const waitingBytes = 32 << 20
/** A perf script that reads a file may wait. */
const waitingFileBytes = 4 << 20
/** A perf script that reads a file has nobody who waits for a line: it fills most of what a socket holds in this time. */
const gatherFileMs = 1
const fileWriteBytes = 64 << 10
/** … when it comes line by line. */
const gatherLinesMs = 10
/** perf writes out its buffers after SIGINT; a perf that takes longer than this is stuck. */
const stopTimeoutMs = 20_000

/**
 * Starts `perf record` (arguments from `perfRecordArgs` with `controlFds`) and returns once it has opened its events, all of them off.
 * @throws UserError with one sentence when perf is missing, not permitted, or ends before that.
 */
export async function startPerfRecord(args: readonly string[], options: PerfRecordOptions = {}): Promise<PerfProcess> {
  const buffering = await bufferedBy(options.byLine === true ? 'L' : writeBytes)
  const isByLine = options.byLine === true && buffering.length > 0
  const stdio: StdioOptions = ['ignore', options.scriptArgs === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe']
  const leash = await leashed()
  const inlet = options.scriptArgs && (await openInlet(isByLine ? gatherLinesMs : gatherMs, waitingBytes))
  const child = spawnPerf(args, stdio, options.cwd, leash)
  const exited = watch(child)
  // The reader has to be there from the start: before its first event perf writes out what runs on the host, and would wait.
  const script =
    inlet === undefined ? undefined : spawnScript(child, options.scriptArgs!, [...leash, ...buffering], inlet.theirs)
  const text = script === undefined ? nothing() : readText(script, inlet!.chunks, inlet!.close)
  const [, , , command, ack] = child.stdio as [null, Readable, Readable, Duplex, Duplex]
  // perf going away closes the channel; `exited` tells why.
  command.on('error', () => undefined)
  ack.on('error', () => undefined)
  const ask = async (what: 'disable' | 'enable') => {
    const acknowledged = new Promise<'done'>((resolve) => ack.once('data', () => resolve('done')))
    command.write(`${what}\n`)
    const first = await Promise.race([acknowledged, exited])
    if (first !== 'done') throw perfFailure(first.stderr)
  }
  // They are off: it is the acknowledgement that counts, and older perfs know no other command for it.
  await ask('disable')
  const enable = async () => {
    await ask('enable')
    if (options.scriptArgs !== undefined) keepFlowing(command, ack, exited)
  }
  const pids = [child.pid, script?.pid].filter((pid) => pid !== undefined)
  const drop = () => {
    script?.kill('SIGKILL')
    inlet?.close()
  }
  return { enable, pids, text, exited, stop: () => stop(child, exited), drop }
}

let leash: Promise<readonly string[]> | undefined

/**
 * A command line in front of perf's that lets the kernel end perf when this process dies, however it dies: a perf that nobody reads
 * would go on costing. Without util-linux's setpriv perf notices only when it next writes to its closed pipe.
 */
function leashed(): Promise<readonly string[]> {
  const prefix = ['setpriv', '--pdeathsig', 'KILL']
  leash ??= new Promise((resolve) => {
    const trial = spawn(prefix[0]!, [...prefix.slice(1), 'true'], { stdio: 'ignore' })
    trial.on('error', () => resolve([]))
    trial.on('close', (code) => resolve(code === 0 ? prefix : []))
  })
  return leash
}

/**
 * perf sleeps until a ring buffer is half full, which is seconds of a quiet process. Any command on the control channel wakes it, and
 * it then hands on what it has.
 */
function keepFlowing(command: Duplex, ack: Duplex, exited: Promise<PerfExit>): void {
  const timer = setInterval(() => command.write('ping\n'), flushMs)
  ack.resume()
  const end = () => clearInterval(timer)
  exited.then(end, end)
}

/**
 * Runs `perf script` on a perf.data, from when its text is first asked for. A chunk is valid until the next one is asked for.
 *
 * @param failed the error for a perf that fails
 */
export async function* runPerfScript(
  args: readonly string[],
  cwd?: string,
  failed: (stderr: string) => Error = perfFailure,
): AsyncIterable<Uint8Array> {
  const inlet = await openInlet(gatherFileMs, waitingFileBytes)
  const script = spawnPerf(args, ['ignore', inlet.theirs, 'pipe'], cwd, await bufferedBy(fileWriteBytes))
  inlet.theirs.destroy()
  yield* readText(script, inlet.chunks, inlet.close, failed)
}

/** A command line in front of perf's that has it write so many bytes at a time, or every line. Without GNU's stdbuf it is as perf likes. */
async function bufferedBy(size: number | 'L'): Promise<readonly string[]> {
  return (await findExecutable('stdbuf')) === undefined ? [] : ['stdbuf', `--output=${size}`]
}

/** Connects perf script to perf record directly, as a shell's pipe does. */
function spawnScript(
  recorder: ChildProcess,
  scriptArgs: readonly string[],
  prefix: readonly string[],
  out: Socket,
): ChildProcess | undefined {
  if (recorder.stdout === null || recorder.pid === undefined) {
    out.destroy()
    return undefined
  }
  const script = spawnPerf(scriptArgs, [recorder.stdout, out, 'pipe'], undefined, prefix)
  // Only perf script holds these ends now: when it goes, perf record notices, and so do we.
  recorder.stdout.destroy()
  out.destroy()
  return script
}

/** No generator, as one that was not asked for anything yet does not hear that it is not wanted any more. */
function readText(
  script: ChildProcess,
  from: AsyncIterable<Uint8Array>,
  close: () => void,
  failed: (stderr: string) => Error = perfFailure,
): AsyncIterable<Uint8Array> {
  const exited = watch(script)
  exited.catch(() => undefined)
  const chunks = from[Symbol.asyncIterator]()
  const text: AsyncIterator<Uint8Array> = {
    async next() {
      const next = await chunks.next()
      if (next.done !== true) return next
      const { code, stderr } = await exited
      if (code !== 0) throw failed(stderr)
      return next
    },
    async return() {
      script.kill('SIGKILL')
      await chunks.return?.()
      close()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => text }
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // perf records into a file.
}

/** A process group of its own: Ctrl-C at the terminal reaches dualtrace, which stops perf last. */
function spawnPerf(
  args: readonly string[],
  stdio: StdioOptions,
  cwd: string | undefined,
  prefix: readonly string[],
): ChildProcess {
  const [program, ...rest] = [...prefix, 'perf', ...args]
  const place = cwd === undefined ? {} : { cwd }
  return spawn(program!, rest, { stdio, detached: true, env: perfEnvironment(), ...place })
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
    child.on('close', (code, signal) => {
      // setpriv's and stdbuf's way of saying that there is no such program.
      if (code === 127) reject(perfMissing())
      else resolve({ code, signal, stderr })
    })
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
