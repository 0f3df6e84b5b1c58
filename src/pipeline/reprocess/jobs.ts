import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { reprocessDirectory, shortHash } from '../../archive/layout.js'
import { UserError } from '../../errors.js'
import { lockDirectory, lockName } from '../lockDirectory.js'

/** Nobody goes on with a job that a person asked for so long ago. */
const abandonedAfterMs = 7 * 86_400_000

/** Where a job keeps what it has done, under the archive. `owner`: the schedule it belongs to, none for one that a person asked for. */
export function jobDirectory(archive: string, owner: string | undefined, identity: unknown): string {
  return join(archive, reprocessDirectory, `${prefixOf(owner)}${shortHash(JSON.stringify(identity))}`)
}

/** Works in the directory of a job, which no other process has meanwhile, and which is gone when the job is done. */
export async function alone<T>(job: string, fresh: boolean, work: () => Promise<T>): Promise<T> {
  const unlock = await lockDirectory(
    job,
    (pid) => `process ${pid} computes the same job: wait until it has ended, or ask for another range`,
  )
  try {
    if (fresh) await clear(job)
    const result = await work()
    await clear(job)
    return result
  } finally {
    await unlock()
    // Only when nothing is left in it.
    await rmdir(job).catch(() => undefined)
  }
}

/** Removes the jobs that nobody will go on with: those of the owner besides `keep`, and what has been left for long. None that a process has. */
export async function removeAbandoned(archive: string, owner: string | undefined, keep: string): Promise<void> {
  const directory = join(archive, reprocessDirectory)
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    if (name === basename(keep)) continue
    const isOwn = owner !== undefined && name.startsWith(prefixOf(owner))
    if (!isOwn && !(await isOld(path))) continue
    await lockDirectory(path, String).then(
      () => rm(path, { recursive: true, force: true }),
      (error: unknown) => {
        if (!(error instanceof UserError)) throw error
      },
    )
  }
}

async function isOld(job: string): Promise<boolean> {
  const info = await stat(job).catch(() => undefined)
  return info !== undefined && Date.now() - info.mtimeMs > abandonedAfterMs
}

async function clear(job: string): Promise<void> {
  for (const name of await readdir(job))
    if (name !== lockName) await rm(join(job, name), { recursive: true, force: true })
}

function prefixOf(owner: string | undefined): string {
  return owner === undefined ? '' : `${shortHash(owner).slice(0, 8)}-`
}
