import {
  type CallOptions,
  canFilterComm,
  canSeparateCalls,
  perfBareScriptArgs,
  perfCallsArgs,
  perfRecordArgs,
  perfScriptArgs,
  perfStacksArgs,
  perfWakeupArgs,
} from '../perf/command.js'
import { UserError } from '../errors.js'
import { controlFds, type PerfExit, type PerfProcess, startPerfRecord } from './perfProcess.js'
import { threadIds } from './proc.js'

export interface PerfOptions {
  readonly pid: number
  /** Names of the process's threads, for the system-wide wake-ups; none leaves those out. */
  readonly comms: readonly string[]
  readonly frequencyHz: number
  readonly syscalls: readonly string[]
  /** Their numbers, where all are known. */
  readonly syscallNumbers?: readonly number[] | undefined
  readonly bufferBytes: number
  readonly stacks?: boolean | undefined
}

/** The perf processes of one recording. */
export interface PerfRecorder {
  /** All of them: of the process, of its system calls where they are apart, and of the host. */
  readonly perfs: readonly PerfProcess[]
  /** System calls, and wake-ups made by the process, have a perf of their own. */
  readonly hasCalls: boolean
  /** Wake-ups from outside the process; undefined when they could not be had, and `notes` says why. */
  readonly wakeups: PerfProcess | undefined
  /** Threads that started while perf attached: whether it records them is not known. */
  readonly startedMeanwhile: number
  readonly notes: readonly string[]
  /** Settles when one of those that record the process ends. */
  readonly ended: Promise<PerfExit>
  /** Stops all and waits for them. */
  stop(): Promise<void>
}

/** What a reader must know of a recording with `startedMeanwhile`. */
export function mayMissThreads(startedMeanwhile: number): string {
  return `${startedMeanwhile} threads started while perf attached; it may not record all of them`
}

/** Where each writes its perf.data. */
export interface PerfOutputs {
  readonly main: string
  /** undefined: all of the process in `main`. */
  readonly calls: string | undefined
  readonly wakeups: string
  /** Working directory: with relative outputs, perf's header does not tell where the recording was made. */
  readonly cwd?: string
  /** Reads all as text while they are recorded; the outputs are `-` then. */
  readonly live?: boolean
}

/** More names than this and the filter grows long for little: pools that number their threads. */
const maximumComms = 16

/**
 * Starts perf on one process, a second one for what has no stacks where that may be apart, and a system-wide one for wake-ups that others make. All
 * record when this returns.
 * @throws UserError when the process cannot be recorded; the system-wide one is left out with a note.
 */
export async function startPerfRecorder(options: PerfOptions, outputs: PerfOutputs): Promise<PerfRecorder> {
  const notes: string[] = []
  const wakeups = await startWakeups(options, outputs, notes)
  const wakeupsElsewhere = wakeups === undefined ? [] : filterable(options.comms)
  const perfs = wakeups === undefined ? [] : [wakeups]
  try {
    const { ofProcess, before } = await startOnProcess({ ...options, control: controlFds, wakeupsElsewhere }, outputs)
    perfs.unshift(...ofProcess)
    const [main, calls] = ofProcess
    // Calls of a time without switches would seem never to sleep: the first to begin is the last to end. What came before all had begun is for the
    // caller to leave out, or network unblocks of a busy start would miss their epoll_pwait.
    await wakeups?.enable()
    await main!.enable()
    await calls?.enable()
    const startedMeanwhile = await countStarted(options.pid, before)
    const stop = async () => {
      await calls?.stop()
      await Promise.all([main!.stop(), wakeups?.stop()])
    }
    const ended = Promise.race(ofProcess.map(({ exited }) => exited))
    return { perfs, hasCalls: calls !== undefined, wakeups, startedMeanwhile, notes, ended, stop }
  } catch (error) {
    await end(perfs)
    throw error
  }
}

/** Threads that start while two perfs attach may be known to one of them only: then both attach again, so often. */
const splitAttempts = 5

interface OnProcess {
  readonly ofProcess: readonly PerfProcess[]
  /** Threads that were there before. */
  readonly before: ReadonlySet<string>
}

/** Opens the perf of the process, and that of its calls where there is one: both know the same threads. */
async function startOnProcess(
  options: PerfOptions & Pick<CallOptions, 'wakeupsElsewhere' | 'control'>,
  outputs: PerfOutputs,
): Promise<OnProcess> {
  const start = (args: readonly string[]) =>
    startPerfRecord(args, { cwd: outputs.cwd, scriptArgs: outputs.live ? perfScriptArgs('-') : undefined })
  const { main, calls } = outputs
  if (calls !== undefined && canSeparateCalls(options.syscalls)) {
    for (let attempt = 0; attempt < splitAttempts; attempt++) {
      const before = new Set(await threadIds(options.pid))
      const starting = [
        start(perfStacksArgs({ ...options, output: main })),
        startBare(perfCallsArgs({ ...options, output: calls }), outputs),
      ]
      const settled = await Promise.allSettled(starting)
      const started = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
      const areSame = (await countStarted(options.pid, before)) === 0
      if (areSame && started.length === starting.length) return { ofProcess: started, before }
      await end(started)
      // Throws what has failed.
      await Promise.all(starting)
    }
  }
  const before = new Set(await threadIds(options.pid))
  return { ofProcess: [await start(perfRecordArgs({ ...options, output: main }))], before }
}

async function countStarted(pid: number, before: ReadonlySet<string>): Promise<number> {
  return (await threadIds(pid)).filter((tid) => !before.has(tid)).length
}

async function end(perfs: readonly PerfProcess[]): Promise<void> {
  for (const perf of perfs) perf.drop()
  await Promise.all(perfs.map((perf) => perf.stop()))
}

function startBare(args: readonly string[], { cwd, live }: PerfOutputs, byLine = false): Promise<PerfProcess> {
  return startPerfRecord(args, { cwd, scriptArgs: live ? perfBareScriptArgs('-') : undefined, byLine })
}

async function startWakeups(
  options: PerfOptions,
  outputs: PerfOutputs,
  notes: string[],
): Promise<PerfProcess | undefined> {
  const comms = filterable(options.comms)
  if (comms.length === 0) {
    notes.push('no system-wide wake-ups: the thread names cannot be put into a kernel filter')
    return undefined
  }
  try {
    const args = perfWakeupArgs({
      output: outputs.wakeups,
      bufferBytes: options.bufferBytes,
      control: controlFds,
      comms,
    })
    return await startBare(args, outputs, true)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    notes.push(`no system-wide wake-ups, only those made by the process itself: ${error.message}`)
    return undefined
  }
}

function filterable(comms: readonly string[]): string[] {
  return comms.filter(canFilterComm).slice(0, maximumComms)
}
