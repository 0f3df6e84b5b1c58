import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile, realpath, rm, rmdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type ArchivedCapture, readCatalog } from '../../archive/catalog.js'
import { Lease } from '../../archive/lease.js'
import { reprocessDirectory } from '../../archive/layout.js'
import { UserError } from '../../errors.js'
import type { Thresholds } from '../../measures/thresholds.js'
import { tables } from '../../measures/tables.js'
import { type QuestdbAddress, toPlain } from '../../store/login.js'
import { QuestdbStore } from '../../store/questdb.js'
import { tracks } from '../../transport/topics.js'
import { checkpointVersion, runKey } from '../checkpoint.js'
import { lockDirectory, lockName } from '../lockDirectory.js'
import { runPool } from '../workerPool.js'
import { type Assignment, type FromWorker, statePath, type WorkerSettings } from './protocol.js'
import type { Range } from './run.js'

export interface ReprocessOptions {
  readonly archives: readonly string[]
  readonly range: Range
  readonly questdb: QuestdbAddress
  readonly thresholds: Partial<Thresholds> | undefined
  readonly workers?: number | undefined
  /** At most so much of a run is computed again after a kill; 10 s by default. */
  readonly checkpointEveryMs?: number | undefined
  /** Forget what an earlier attempt at the same job has finished. */
  readonly fresh?: boolean | undefined
  readonly onNote: (text: string) => void
  /** Called once, with the bytes there are to read, unpacked. */
  readonly onTotal?: ((bytes: number) => void) | undefined
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ReprocessResult {
  /** Runs of sources computed now, and found finished by an earlier attempt. */
  readonly runs: number
  readonly runsBefore: number
  readonly sources: number
  readonly rows: number
  /** What was unusable, a sentence each. */
  readonly problems: readonly string[]
}

/** A run that has not been written to for so long has no more to come. */
const overAfterMs = 600_000

interface Run extends Assignment {
  readonly bytes: number
  /** Which state of the run's files was computed. */
  readonly version: string
}

/**
 * Computes the rows of a range again from the archives, sources side by side, and writes them over what is there. What a killed attempt has
 * finished is not done again by the next one with the same options.
 */
export async function reprocess(options: ReprocessOptions): Promise<ReprocessResult> {
  const archives = await Promise.all(options.archives.map(realArchive))
  const problems: string[] = []
  const runs: Run[] = []
  for (const archive of archives) runs.push(...(await runsOf(archive, options.range, problems)))
  const leases = await Promise.all(
    archives.map((archive) => {
      const own = runs.filter((run) => run.archive === archive)
      return Lease.take(
        archive,
        own.flatMap(({ directories }) => directories),
      )
    }),
  )
  try {
    return await alone(options, archives, (job) => compute(options, job, runs, problems))
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

/** Works in the directory of the job, which no other process has meanwhile, and which is gone when the job is done. */
async function alone(
  options: ReprocessOptions,
  archives: readonly string[],
  work: (job: string) => Promise<ReprocessResult>,
): Promise<ReprocessResult> {
  const job = join(archives[0]!, reprocessDirectory, jobName(options, archives))
  const unlock = await lockDirectory(
    job,
    (pid) => `process ${pid} computes the same job: wait until it has ended, or ask for another range`,
  )
  try {
    if (options.fresh === true) await clear(job)
    const result = await work(job)
    await clear(job)
    return result
  } finally {
    await unlock()
    // Only when nothing is left in it.
    await rmdir(job).catch(() => undefined)
  }
}

async function clear(job: string): Promise<void> {
  for (const name of await readdir(job))
    if (name !== lockName) await rm(join(job, name), { recursive: true, force: true })
}

async function compute(
  options: ReprocessOptions,
  job: string,
  runs: readonly Run[],
  problems: string[],
): Promise<ReprocessResult> {
  const { questdb, thresholds, range, onNote } = options
  const journal = join(job, 'done')
  const done = new Set((await readFile(journal, 'utf8').catch(() => '')).split('\n'))
  const left = runs.filter(({ version }) => !done.has(version))
  const bySource = groupBy(left, ({ source }) => source)
  options.onTotal?.(left.reduce((sum, { bytes }) => sum + bytes, 0))
  await new QuestdbStore({
    ...questdb,
    tables,
    signal: options.signal,
    onRetry: (error, waitMs) => onNote(`QuestDB does not answer (${error.message}); trying again in ${waitMs} ms`),
  }).prepare()
  let rows = 0
  const { checkpointEveryMs = 10_000 } = options
  const settings: WorkerSettings = { questdb: toPlain(questdb), thresholds, range, job, checkpointEveryMs }
  await runPool<Run, FromWorker>({
    script: new URL('./worker.js', import.meta.url),
    settings,
    workers: options.workers ?? availableParallelism(),
    lists: [...bySource.values()],
    signal: options.signal,
    async onMessage(run, message) {
      switch (message.kind) {
        case 'progress':
          options.onProgress?.(message.bytes)
          return false
        case 'note':
          onNote(message.text)
          return false
        case 'failed':
          if (message.isUsers) throw new UserError(message.reason)
          throw new Error(`${run.source}: ${message.reason}`)
        case 'done':
          rows += message.rows
          problems.push(...message.problems)
          if (message.warmedUp)
            onNote(
              `${run.source}: its begin is not in the archive, so the rows of its first minute there stay as they are`,
            )
          await appendFile(journal, `${run.version}\n`)
          await rm(statePath(job, run), { force: true })
          return true
      }
    },
  })
  return { runs: left.length, runsBefore: runs.length - left.length, sources: bySource.size, rows, problems }
}

async function realArchive(directory: string): Promise<string> {
  try {
    return await realpath(directory)
  } catch (error) {
    throw new UserError(`there is no archive ${directory}: ${(error as Error).message}`)
  }
}

/** The runs that have data in the range, in the order of source and begin. */
async function runsOf(archive: string, { sinceNs, untilNs }: Range, problems: string[]): Promise<Run[]> {
  const catalog = await readCatalog(archive)
  problems.push(...catalog.problems)
  const bySource = groupBy(catalog.captures, ({ manifest }) => manifest.source)
  return [...bySource].flatMap(([source, captures]) => {
    const byStream = [...groupBy(captures, ({ manifest }) => manifest.archive.stream)].sort(([a], [b]) =>
      a < b ? -1 : 1,
    )
    return byStream.flatMap(([stream, own], index): Run[] => {
      const isWanted = own.some(
        ({ fromNs, toNs }) =>
          (sinceNs === undefined || toNs === undefined || toNs >= sinceNs) &&
          (untilNs === undefined || fromNs === undefined || fromNs < untilNs),
      )
      if (!isWanted) return []
      const isQuiet = own.every(({ writtenMs }) => Date.now() - writtenMs > overAfterMs)
      const isOver = index < byStream.length - 1 || isQuiet
      const bytes = own.reduce((sum, capture) => sum + unpackedBytes(capture), 0)
      const version = `${runKey(source, stream)} ${bytes} ${isOver}`
      return [{ archive, source, stream, isOver, directories: own.map(({ directory }) => directory), bytes, version }]
    })
  })
}

function unpackedBytes({ manifest: { archive } }: ArchivedCapture): number {
  return tracks.reduce((sum, track) => {
    const entry = archive[track]
    return entry === undefined ? sum : sum + entry.reached.fedPosition - entry.fromPosition
  }, 0)
}

/** The same options make the same job, also after a kill; another version of the states makes another one. */
function jobName({ range, questdb, thresholds }: ReprocessOptions, archives: readonly string[]): string {
  const { sinceNs, untilNs } = range
  const text = JSON.stringify([checkpointVersion, archives, String(sinceNs), String(untilNs), questdb.url, thresholds])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}
