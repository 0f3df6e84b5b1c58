import { type ChildProcess, spawn } from 'node:child_process'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'
import { shownCommand } from '../secret.js'
import { findExecutable } from './executables.js'
import { commandLine, isAlive, type ProcessStat, readStat, startTime, stillRuns, threadNames } from './proc.js'

/** The process being recorded. */
export interface Target {
  readonly pid: number
  /** Name for people: the command's or the process's. */
  readonly name: string
  /** Path of what it runs. */
  readonly executable: string
  /** Names of its threads, for the filter of system-wide wake-ups. */
  readonly comms: readonly string[]
  /** Its command line as it may be kept: without what looks like a secret. */
  readonly command: readonly string[]
  /** When it started, ISO 8601 to the second: with host, service and pid it names this process instance. */
  readonly start: string
  /** Settles when the process has ended; the text says how, for a note. */
  readonly exited: Promise<string>
  /** Whether it runs at this moment. */
  isAlive(): Promise<boolean>
  /** Lets a launched command run; nothing for a process that was already there. */
  resume(): void
  /** Ends a launched command and waits for it; lets go of a process that was already there. */
  release(): Promise<void>
}

const pollMs = 50
/** TASK_COMM_LEN without its NUL. */
const commBytes = 15
const terminateTimeoutMs = 5_000

/** A process that is already running. @throws UserError when there is none. */
export async function attach(pid: number): Promise<Target> {
  const first = readStat(pid)
  if (!isAlive(first)) throw new UserError(`there is no process ${pid}: give the --pid of a running one`)
  let watching = true
  async function gone(): Promise<string> {
    for (;;) {
      if (!stillRuns(pid, first!.startTicks)) return `process ${pid} ended`
      if (!watching) return ''
      await sleep(pollMs)
    }
  }
  return {
    pid,
    name: first.comm,
    executable: `/proc/${pid}/exe`,
    comms: await threadNames(pid),
    command: shownCommand(await commandLine(pid)),
    start: await startTime(first.startTicks),
    exited: gone(),
    isAlive: () => Promise.resolve(stillRuns(pid, first.startTicks)),
    resume: () => undefined,
    release: () => {
      watching = false
      return Promise.resolve()
    },
  }
}

/**
 * Starts a command stopped before its first instruction, so that perf can be attached to it before it makes threads.
 * Its output goes to stderr: stdout is for results. @throws UserError when it cannot be executed.
 */
export async function launch(command: readonly string[]): Promise<Target> {
  const file = command[0]!
  const executable = await findExecutable(file)
  if (executable === undefined)
    throw new UserError(`cannot run ${file}: there is no such executable; give its path after --`)
  // The shell stops itself; told to go on, it becomes the command under the same pid.
  const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...command], { stdio: ['inherit', 2, 2] })
  const exited = new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve(signal === null ? `the command ended with exit code ${code ?? 0}` : `the command was ended by ${signal}`)
    })
  })
  exited.catch(() => undefined)
  const pid = child.pid
  if (pid === undefined) throw new UserError(`cannot start ${file}: there is no /bin/sh`)
  const first = await stopped(pid)
  const name = basename(file)
  return {
    pid,
    name,
    executable,
    comms: [Buffer.from(name).subarray(0, commBytes).toString()],
    command: shownCommand(command),
    start: await startTime(first.startTicks),
    exited,
    isAlive: () => Promise.resolve(stillRuns(pid, first.startTicks)),
    resume: () => child.kill('SIGCONT'),
    release: () => terminate(child, exited),
  }
}

async function terminate(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.kill('SIGTERM')
  child.kill('SIGCONT')
  const stuck = setTimeout(() => child.kill('SIGKILL'), terminateTimeoutMs)
  await exited
  clearTimeout(stuck)
}

async function stopped(pid: number): Promise<ProcessStat> {
  for (;;) {
    const now = readStat(pid)
    if (now === undefined) throw new UserError('the command was killed before it could start')
    if (now.state === 'T') return now
    await sleep(2)
  }
}
