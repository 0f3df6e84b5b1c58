import { randomBytes } from 'node:crypto'
import { lstat, readdir, readlink, rm, stat, symlink, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { readStat, stillRuns } from '../capture/proc.js'
import { makeDirectory, replaceFile } from './durable.js'
import { readJson } from './files.js'
import { leaseDirectory } from './layout.js'

const Holder = z.object({ host: z.string(), pid: z.number(), startTicks: z.number() })
const LeaseFile = Holder.extend({ directories: z.array(z.string()) })

/** A lease of another host whose file nobody has touched for so long is over; of this host, when its process is gone. */
const expireMs = 60_000
const beatMs = 10_000

function self(): z.infer<typeof Holder> {
  return { host: hostname(), pid: process.pid, startTicks: readStat('self')?.startTicks ?? 0 }
}

/** Directories of an archive that retention must leave alone while this process lives and has not released them. */
export class Lease {
  private readonly timer: NodeJS.Timeout
  private held: ReadonlySet<string> = new Set()

  private constructor(
    private readonly archive: string,
    private readonly path: string,
  ) {
    this.timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), beatMs)
    this.timer.unref()
  }

  static async take(archive: string, directories: readonly string[]): Promise<Lease> {
    await makeDirectory(join(archive, leaseDirectory))
    const name = `${process.pid}-${randomBytes(6).toString('hex')}.json`
    const lease = new Lease(archive, join(archive, leaseDirectory, name))
    try {
      await lease.hold(directories)
      return lease
    } catch (error) {
      await lease.release()
      throw error
    }
  }

  /** Holds these instead of those before. What retention has taken before is gone, and stays away. */
  async hold(directories: readonly string[]): Promise<void> {
    const file = { ...self(), directories: directories.map((path) => relative(this.archive, path)) }
    await withArchiveLock(this.archive, () => replaceFile(this.path, JSON.stringify(file)))
    this.held = new Set(directories)
  }

  /** Holds these besides. */
  async add(directories: readonly string[]): Promise<void> {
    if (directories.every((path) => this.held.has(path))) return
    await this.hold([...new Set([...this.held, ...directories])])
  }

  async release(): Promise<void> {
    clearInterval(this.timer)
    await rm(this.path, { force: true })
  }
}

/** Every directory that somebody holds, from the archive on. Removes what processes that died have left behind. Call it under the lock. */
export async function leasedDirectories(archive: string): Promise<ReadonlySet<string>> {
  const directory = join(archive, leaseDirectory)
  const held = new Set<string>()
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue
    const path = join(directory, name)
    const info = await stat(path).catch(() => undefined)
    if (info === undefined) continue
    const lease = LeaseFile.safeParse(await readJson(path)).data
    const isFresh = Date.now() - info.mtimeMs < expireMs
    if (lease === undefined ? !isFresh : !holds(lease, isFresh)) await rm(path, { force: true })
    else for (const each of lease?.directories ?? []) held.add(each)
  }
  return held
}

function holds({ host, pid, startTicks }: z.infer<typeof Holder>, isFresh: boolean): boolean {
  if (host !== hostname()) return isFresh
  return stillRuns(pid, startTicks)
}

/** Longest time that anybody of another host has the lock: it covers a look at the leases and the keeps, and a rename. */
const lockMs = 30_000
const pauseMs = 5

/** Runs `task` while no other process does the same with this archive. */
export async function withArchiveLock<T>(archive: string, task: () => Promise<T>): Promise<T> {
  const path = join(archive, leaseDirectory, 'lock')
  await makeDirectory(join(archive, leaseDirectory))
  const text = lockText()
  while (!(await isLinked(text, path))) {
    await removeDead(path)
    await sleep(pauseMs)
  }
  try {
    return await task()
  } finally {
    // Whoever took this process for dead has another one in its place.
    if ((await lockOf(path))?.text === text) await rm(path, { force: true })
  }
}

/** Names its holder, and no other one has the same. */
function lockText(): string {
  const { host, pid, startTicks } = self()
  return `${pid}.${startTicks}.${randomBytes(6).toString('hex')}@${host}`
}

/**
 * Makes a lock, with what it says, in one step. A link to nowhere needs no room on the disk: a full one has to be locked to be emptied.
 * @returns false when there is one already
 */
async function isLinked(text: string, path: string): Promise<boolean> {
  try {
    await symlink(text, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}

/** Undefined: nobody has it. A file of any other kind has no text. */
async function lockOf(path: string): Promise<{ text: string; isDead: boolean } | undefined> {
  const info = await lstat(path).catch(() => undefined)
  if (info === undefined) return undefined
  const text = await readlink(path).catch(() => '')
  const isFresh = Date.now() - info.mtimeMs < lockMs
  const [, pid, startTicks, host] = /^(\d+)\.(\d+)\.[0-9a-f]+@(.*)$/.exec(text) ?? []
  const isHeld =
    host === undefined ? isFresh : holds({ host, pid: Number(pid), startTicks: Number(startTicks) }, isFresh)
  return { text, isDead: !isHeld }
}

/** Removes a lock whose holder has died. One process does that at a time, and looks again when it is its turn: by then the lock may be another's. */
async function removeDead(path: string): Promise<void> {
  if ((await lockOf(path))?.isDead !== true) return
  const breaking = `${path}.breaking`
  if (!(await isLinked(lockText(), breaking))) {
    if ((await lockOf(breaking))?.isDead === true) await rm(breaking, { force: true })
    return
  }
  try {
    if ((await lockOf(path))?.isDead === true) await rm(path, { force: true })
  } finally {
    await rm(breaking, { force: true })
  }
}
