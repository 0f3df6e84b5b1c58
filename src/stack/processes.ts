import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { UserError } from '../errors.js'

/** Contents of a pid file. The start time tells our process from a later one that got the same pid. */
const PidFile = z.object({ pid: z.int().positive(), startTicks: z.string() })
type PidFile = z.infer<typeof PidFile>

export interface ServerCommand {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly logFile: string
  readonly pidFile: string
}

/** A log of this size is put aside at the next start, in place of the one that was put aside before. */
const maxLogBytes = 64 << 20

/** Starts a server in the background, detached from this process, and notes its pid. */
export async function startServer(server: ServerCommand): Promise<number> {
  const written = await stat(server.logFile).catch(() => undefined)
  if (written !== undefined && written.size >= maxLogBytes) await rename(server.logFile, `${server.logFile}.1`)
  const log = openSync(server.logFile, 'a')
  const child = spawn(server.command, server.args, {
    cwd: server.cwd,
    env: { ...process.env, ...server.env },
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new UserError(`cannot start ${server.name}: ${error.message}`)))
    child.once('spawn', () => resolve(child.pid!))
  })
  child.unref()
  const record: PidFile = { pid, startTicks: startTicksOf(pid) ?? '' }
  await writeFile(server.pidFile, JSON.stringify(record) + '\n')
  return pid
}

/** The pid in the file if that very process still runs. */
export async function runningPid(pidFile: string): Promise<number | undefined> {
  let text: string
  try {
    text = await readFile(pidFile, 'utf8')
  } catch {
    return undefined
  }
  const record = PidFile.safeParse(parseJson(text))
  if (!record.success) return undefined
  return startTicksOf(record.data.pid) === record.data.startTicks ? record.data.pid : undefined
}

/** Stops the process of the pid file (SIGTERM, then SIGKILL after `patienceMs`) and removes the file; says whether there was one. */
export async function stopServer(pidFile: string, patienceMs = 20_000): Promise<boolean> {
  const pid = await runningPid(pidFile)
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM')
    const deadline = Date.now() + patienceMs
    while ((await runningPid(pidFile)) !== undefined) {
      if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
      await sleep(50)
    }
  }
  await rm(pidFile, { force: true })
  return pid !== undefined
}

/**
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat, counted after the command's closing bracket);
 * undefined when it does not run, or is a zombie (state Z) that only waits for its parent.
 */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
