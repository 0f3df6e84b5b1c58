import { appendFile, readFile, realpath, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Lease } from '../../archive/lease.js'
import { UserError } from '../../errors.js'
import { groupBy } from '../../groupBy.js'
import type { Thresholds } from '../../measures/thresholds.js'
import { tables } from '../../measures/tables.js'
import { type QuestdbAddress, toPlain } from '../../store/login.js'
import { QuestdbStore } from '../../store/questdb.js'
import { checkpointVersion } from '../checkpoint.js'
import { runPool } from '../workerPool.js'
import { alone, jobDirectory, removeAbandoned } from './jobs.js'
import { plan, type PlannedRun } from './plan.js'
import { type FromWorker, statePath, type WorkerSettings } from './protocol.js'
import type { Range } from './reading.js'
import { wallOfRun } from './run.js'
import { rowsVersion } from './version.js'

export interface ReprocessOptions {
  readonly archives: readonly string[]
  readonly range: Range
  /** Runs (see runKey) whose rows are wanted from an earlier moment on, ns since the epoch. */
  readonly late?: ReadonlyMap<string, bigint> | undefined
  readonly questdb: QuestdbAddress
  readonly thresholds: Partial<Thresholds> | undefined
  readonly workers?: number | undefined
  /** At most so much of a run is computed again after a kill; 10 s by default. */
  readonly checkpointEveryMs?: number | undefined
  /** Read every run from its first byte that is there, however far before the range that is. */
  readonly whole?: boolean | undefined
  /** Forget what an earlier attempt at the same job has finished. */
  readonly fresh?: boolean | undefined
  /** The schedule whose job it is: it goes on with this one alone. */
  readonly owner?: string | undefined
  readonly onNote: (text: string) => void
  /** Called once, with the bytes there are to read, unpacked. */
  readonly onTotal?: ((bytes: number) => void) | undefined
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ReprocessResult {
  /** Runs of sources computed now, found finished by an earlier attempt, and given up because their analysis failed. */
  readonly runs: number
  readonly runsBefore: number
  readonly failedRuns: number
  readonly sources: number
  readonly rows: number
  /** Read now, unpacked, and how much of this lies before the range. */
  readonly readBytes: number
  readonly warmUpBytes: number
  /** Rows of the range that were left as they are, as they depend on what is before all that was read. */
  readonly keptRows: number
  /** What was unusable, a sentence each. */
  readonly problems: readonly string[]
}

/** Why runs could not be computed. */
type Failures = Map<PlannedRun, string>

/**
 * Computes the rows of a range again from the archives, sources side by side, and writes them over what is there. What a killed attempt has
 * finished is not done again by the next one with the same options. A run whose analysis fails, also as its thread dies, costs no other run anything.
 */
export async function reprocess(options: ReprocessOptions): Promise<ReprocessResult> {
  const archives = await Promise.all(options.archives.map(realArchive))
  const problems: string[] = []
  const runs: PlannedRun[] = []
  for (const archive of archives) runs.push(...(await plan(archive, options, problems)))
  const failures: Failures = new Map()
  const leases: Lease[] = []
  try {
    for (const archive of archives) {
      const own = runs.filter((run) => run.archive === archive)
      const read = own.flatMap(({ directories }) => directories)
      const lease = await Lease.take(archive, [...read, ...own.flatMap(({ asked }) => asked?.directory ?? [])])
      leases.push(lease)
      for (const run of own) await askForWall(run, failures)
      await lease.hold(read)
    }
    const job = await jobOf(options, archives)
    await removeAbandoned(archives[0]!, options.owner, job)
    return await alone(job, options.fresh === true, () => compute(options, job, runs, failures, problems))
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

async function compute(
  options: ReprocessOptions,
  job: string,
  runs: readonly PlannedRun[],
  failures: Failures,
  problems: string[],
): Promise<ReprocessResult> {
  const { questdb, thresholds, onNote } = options
  const journal = join(job, 'done')
  const done = new Set((await readFile(journal, 'utf8').catch(() => '')).split('\n'))
  const open = runs.filter(({ version }) => !done.has(version))
  const left = open.filter((run) => !failures.has(run))
  const bySource = groupBy(left, ({ source }) => source)
  options.onTotal?.(left.reduce((sum, { bytes }) => sum + bytes, 0))
  await new QuestdbStore({
    ...questdb,
    tables,
    signal: options.signal,
    onRetry: (error, waitMs) => onNote(`QuestDB does not answer (${error.message}); trying again in ${waitMs} ms`),
  }).prepare()
  const totals = { rows: 0, readBytes: 0, warmUpBytes: 0, keptRows: 0 }
  const { checkpointEveryMs = 10_000, whole = false } = options
  const settings: WorkerSettings = { questdb: toPlain(questdb), thresholds, whole, job, checkpointEveryMs }
  await runPool<PlannedRun, FromWorker>({
    script: new URL('./worker.js', import.meta.url),
    settings,
    workers: options.workers ?? availableParallelism(),
    lists: [...bySource.values()],
    signal: options.signal,
    async onMessage(run, message) {
      switch (message.kind) {
        case 'progress':
          totals.readBytes += message.bytes
          totals.warmUpBytes += message.warmUpBytes
          options.onProgress?.(message.bytes)
          return false
        case 'note':
          onNote(message.text)
          return false
        case 'failed':
          if (message.isUsers) throw new UserError(message.reason)
          throw new Error(`${run.source}: ${message.reason}`)
        case 'done':
          totals.rows += message.rows
          problems.push(...message.problems)
          if (message.warmedUp)
            onNote(
              `${run.source}: its begin is not in the archive, so the rows of its first minute there stay as they are`,
            )
          if (message.kept.size > 0) onNote(`${run.source}: ${keptText(message.kept)}`)
          for (const count of message.kept.values()) totals.keptRows += count
          if (message.failure === undefined) await appendFile(journal, `${run.version}\n`)
          else failures.set(run, message.failure)
          await rm(statePath(job, run), { force: true })
          return true
      }
    },
    async onDeath(run, reason) {
      failures.set(run, reason)
      await rm(statePath(job, run), { force: true })
    },
  })
  const failed = open.filter((run) => failures.has(run))
  for (const run of failed)
    problems.push(
      `the analysis of ${run.source}, run ${run.stream}, failed: ${failures.get(run)!}; the rest of its rows stay as they are until dualtrace reprocess computes that time again`,
    )
  return {
    ...{ runs: open.length - failed.length, runsBefore: runs.length - open.length, failedRuns: failed.length },
    ...{ sources: bySource.size, ...totals, problems },
  }
}

async function askForWall(run: PlannedRun, failures: Failures): Promise<void> {
  if (run.asked === undefined) return
  try {
    run.wall = await wallOfRun(run.asked.run)
  } catch (error) {
    failures.set(run, (error as Error).message)
  }
}

function keptText(kept: ReadonlyMap<string, number>): string {
  const counts = [...kept].sort(([a], [b]) => (a < b ? -1 : 1)).map(([table, count]) => `${count} of ${table}`)
  return `it is read from its middle on, and what began before that is not known, so rows that may depend on it stay as they are (${counts.join(', ')}); --whole computes them too`
}

async function realArchive(directory: string): Promise<string> {
  try {
    return await realpath(directory)
  } catch (error) {
    throw new UserError(`there is no archive ${directory}: ${(error as Error).message}`)
  }
}

/** The same options make the same job, also after a kill; a program that may compute other rows makes another one. */
async function jobOf(options: ReprocessOptions, archives: readonly string[]): Promise<string> {
  const { range, questdb, thresholds, late, whole = false, owner } = options
  const { sinceNs, untilNs } = range
  const version = [checkpointVersion, await rowsVersion()]
  const lateRuns = [...(late ?? [])].map(([run, ns]) => [run, String(ns)])
  const asked = [archives, String(sinceNs), String(untilNs), lateRuns, whole, questdb.url, thresholds]
  return jobDirectory(archives[0]!, owner, [version, asked])
}
