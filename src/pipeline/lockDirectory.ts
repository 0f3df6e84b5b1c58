import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readStat, stillRuns } from '../capture/proc.js'
import { UserError } from '../errors.js'

/** Name of the file that is the lock. */
export const lockName = 'lock'
/** Somebody is removing what a dead process left: that takes no time, unless it died as well. */
const removalMs = 2000
const pauseMs = 20

/**
 * Takes a directory for this process alone, and makes it when it is not there. The lock names the process and when it started, so that one that
 * died leaves none behind. `refusal` is the sentence for when another process has it.
 * @returns what gives it back. @throws UserError with the refusal.
 */
export async function lockDirectory(directory: string, refusal: (pid: number) => string): Promise<() => Promise<void>> {
  const path = join(directory, lockName)
  const text = `${process.pid} ${readStat('self')?.startTicks ?? 0}\n`
  const untilMs = Date.now() + removalMs
  for (;;) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if (await linked(path, text)) return () => rm(path, { force: true })
    const found = await read(path)
    if (found === undefined) continue
    const [pid, startTicks] = found.trim().split(' ').map(Number)
    if (pid !== undefined && pid > 0 && startTicks !== undefined && stillRuns(pid, startTicks))
      throw new UserError(refusal(pid))
    await removeDead(path, found)
    if (Date.now() > untilMs) throw new UserError(`${directory}: locked by a process that died; remove ${path}*`)
  }
}

/** Makes a file with this text, all at once. @returns false when there is one already. */
async function linked(path: string, text: string): Promise<boolean> {
  const made = `${path}.${randomUUID()}`
  try {
    await writeFile(made, text, { mode: 0o600, flag: 'wx' })
    await link(made, path)
    return true
  } catch (error) {
    // Whoever gives it back may remove the directory, too.
    if (!isOneOf(error, 'EEXIST', 'ENOENT')) throw error
    return false
  } finally {
    await rm(made, { force: true })
  }
}

/**
 * Removes the lock that a dead process left, unless it is another's by now: of those that find it, the one that can give it this second name does it alone.
 */
async function removeDead(path: string, text: string): Promise<void> {
  const claimed = `${path}.dead-${text.trim().replace(/\W/g, '-')}`
  try {
    await link(path, claimed)
  } catch (error) {
    if (!isOneOf(error, 'EEXIST', 'ENOENT')) throw error
    await sleep(pauseMs)
    return
  }
  if ((await read(claimed)) === text) await rm(path, { force: true })
  await rm(claimed, { force: true })
}

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isOneOf(error, 'ENOENT')) return undefined
    throw error
  })
}

function isOneOf(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
