import { canFilterComm, perfRecordArgs, perfScriptArgs, perfWakeupArgs, perfWakeupScriptArgs } from '../perf/command.js'
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

/** The two perf processes of one recording. */
export interface PerfRecorder {
  readonly main: PerfProcess
  /** Wake-ups from outside the process; undefined when they could not be had, and `notes` says why. */
  readonly wakeups: PerfProcess | undefined
  readonly notes: readonly string[]
  /** Stops both and waits for them. */
  stop(): Promise<PerfExit>
}

/** Where each writes its perf.data. */
export interface PerfOutputs {
  readonly main: string
  readonly wakeups: string
  /** Working directory: with relative outputs, perf's header does not tell where the recording was made. */
  readonly cwd?: string
  /** Reads both as text while they are recorded; the outputs are `-` then. */
  readonly live?: boolean
}

/** More names than this and the filter grows long for little: pools that number their threads. */
const maximumComms = 16

/**
 * Starts perf on one process, and a second, system-wide one for wake-ups that others make. Both record when this returns.
 * @throws UserError when the first cannot record; the second is left out with a note.
 */
export async function startPerfRecorder(options: PerfOptions, outputs: PerfOutputs): Promise<PerfRecorder> {
  const notes: string[] = []
  const wakeups = await startWakeups(options, outputs, notes)
  try {
    const args = perfRecordArgs({
      ...options,
      output: outputs.main,
      control: controlFds,
      wakeupsElsewhere: wakeups === undefined ? [] : filterable(options.comms),
    })
    const main = await startPerfRecord(args, {
      cwd: outputs.cwd,
      scriptArgs: outputs.live ? perfScriptArgs('-') : undefined,
    })
    return {
      main,
      wakeups,
      notes,
      stop: async () => {
        const [exit] = await Promise.all([main.stop(), wakeups?.stop()])
        return exit
      },
    }
  } catch (error) {
    wakeups?.drop()
    await wakeups?.stop()
    throw error
  }
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
    return await startPerfRecord(args, {
      cwd: outputs.cwd,
      scriptArgs: outputs.live ? perfWakeupScriptArgs('-') : undefined,
      byLine: true,
    })
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    notes.push(`no system-wide wake-ups, only those made by the process itself: ${error.message}`)
    return undefined
  }
}

function filterable(comms: readonly string[]): string[] {
  return comms.filter(canFilterComm).slice(0, maximumComms)
}
