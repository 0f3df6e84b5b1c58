import {
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

export interface PerfOptions {
  readonly pid: number
  /** Names of the process's threads, for the system-wide wake-ups; none leaves those out. */
  readonly comms: readonly string[]
  readonly frequencyHz: number
  readonly syscalls: readonly string[]
  readonly bufferBytes: number
  readonly stacks?: boolean | undefined
}

/** The perf processes of one recording. */
export interface PerfRecorder {
  readonly main: PerfProcess
  /** System calls, and wake-ups made by the process; undefined when `main` records them. */
  readonly calls: PerfProcess | undefined
  /** Wake-ups from outside the process; undefined when they could not be had, and `notes` says why. */
  readonly wakeups: PerfProcess | undefined
  readonly notes: readonly string[]
  /** Settles when one of those that record the process ends. */
  readonly ended: Promise<PerfExit>
  /** Stops all and waits for them. */
  stop(): Promise<void>
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
  const callOptions = {
    ...options,
    control: controlFds,
    wakeupsElsewhere: wakeups === undefined ? [] : filterable(options.comms),
  }
  const isSplit = outputs.calls !== undefined && canSeparateCalls(options.syscalls)
  const mainArgs = (isSplit ? perfStacksArgs : perfRecordArgs)({ ...callOptions, output: outputs.main })
  const starting = [
    startPerfRecord(mainArgs, { cwd: outputs.cwd, scriptArgs: outputs.live ? perfScriptArgs('-') : undefined }),
    ...(isSplit ? [startBare(perfCallsArgs({ ...callOptions, output: outputs.calls }), outputs)] : []),
  ]
  const started = (await Promise.allSettled(starting))
    .filter((one) => one.status === 'fulfilled')
    .map(({ value }) => value)
  const all = [...started, ...(wakeups === undefined ? [] : [wakeups])]
  try {
    // What fails is thrown now that all can be stopped.
    const [main, calls] = await Promise.all(starting)
    // Calls of a time without switches would seem never to sleep: the first to begin is the last to end. What came before all had begun is for the
    // caller to leave out, or network unblocks of a busy start would miss their epoll_pwait.
    await wakeups?.enable()
    await main!.enable()
    await calls?.enable()
    const stop = async () => {
      await calls?.stop()
      await Promise.all([main!.stop(), wakeups?.stop()])
    }
    return { main: main!, calls, wakeups, notes, ended: Promise.race(started.map(({ exited }) => exited)), stop }
  } catch (error) {
    for (const perf of all) perf.drop()
    await Promise.all(all.map((perf) => perf.stop()))
    throw error
  }
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
