import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readStat, stillRuns } from '../capture/proc.js'
import { UserError } from '../errors.js'

/** Name of the file that is the lock. */
export const lockName = 'lock'

/**
 * Takes a directory for this process alone, and makes it when it is not there. The lock names the process and when it started, so that one that
 * died leaves none behind. `refusal` is the sentence for when another process has it.
 * @returns what gives it back. @throws UserError with the refusal.
 */
export async function lockDirectory(directory: string, refusal: (pid: number) => string): Promise<() => Promise<void>> {
  const path = join(directory, lockName)
  const own = readStat('self')
  for (;;) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const file = await open(path, 'wx', 0o600)
      await file.write(`${process.pid} ${own?.startTicks ?? 0}\n`)
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      // Whoever gives it back may remove the directory, too.
      if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
    const [pid, startTicks] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ').map(Number)
    if (pid !== undefined && pid > 0 && startTicks !== undefined && stillRuns(pid, startTicks))
      throw new UserError(refusal(pid))
    await rm(path, { force: true })
  }
}
