import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { readStat, stillRuns } from '../capture/proc.js'
import { makeDirectory, replaceFile } from './durable.js'
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
    await lease.hold(directories)
    return lease
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

/** Longest time that anybody has the lock: it covers a look at the leases and a rename. */
const lockMs = 30_000

/** Runs `task` while no other process does the same with this archive. */
export async function withArchiveLock<T>(archive: string, task: () => Promise<T>): Promise<T> {
  const path = join(archive, leaseDirectory, 'lock')
  await makeDirectory(join(archive, leaseDirectory))
  for (;;) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(JSON.stringify(self()))
      await file.close()
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const info = await stat(path).catch(() => undefined)
    const holder = Holder.safeParse(await readJson(path)).data
    const isFresh = info !== undefined && Date.now() - info.mtimeMs < lockMs
    const isHeld = holder === undefined ? isFresh : holds(holder, isFresh)
    if (info !== undefined && !isHeld) await rm(path, { force: true })
    await sleep(5)
  }
  try {
    return await task()
  } finally {
    await rm(path, { force: true })
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch {
    return undefined
  }
}
