import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readStat, stillRuns } from '../../capture/proc.js'
import { UserError } from '../../errors.js'

/**
 * Takes a directory for this process alone. The lock names the process and when it started, so that one that died leaves none behind.
 * @returns what gives it back. @throws UserError when another process has it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock')
  const own = await readStat('self')
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.write(`${process.pid} ${own?.startTicks ?? 0}\n`)
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [pid, startTicks] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ').map(Number)
    if (pid !== undefined && pid > 0 && startTicks !== undefined && (await stillRuns(pid, startTicks)))
      throw new UserError(`the spool directory ${directory} is used by process ${pid}: give each collector its own`)
    await rm(path, { force: true })
  }
}
