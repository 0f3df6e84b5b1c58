import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import nodeCron from 'node-cron'
import { z } from 'zod'
import { replaceFile } from '../../archive/durable.js'
import { UserError } from '../../errors.js'
import type { ReprocessPipeline } from '../config.js'
import type { Log } from '../log.js'
import { reprocess } from './job.js'

/** What the schedule remembers. */
const State = z.strictObject({
  schemaVersion: z.literal(1),
  /** All data before this is computed, ms since the epoch. */
  doneUntilMs: z.number(),
  /** When the next run was due, as seen from the last one. */
  nextDueMs: z.number().nullable(),
})
type State = z.infer<typeof State>

/**
 * Computes again what has come into the archive, at the times the cron expression says: each run from where the last one ended, so that
 * nothing is left out, however long nobody ran. One that was missed is made up for at the start. Runs never overlap.
 */
export async function runReprocessing(pipeline: ReprocessPipeline, log: Log, signal: AbortSignal): Promise<void> {
  let running: Promise<void> | undefined
  const task = nodeCron.schedule(pipeline.cron, () => start(), {
    timezone: pipeline.timezone,
    suppressMissedWarning: true,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined },
  })
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_, reject) => (fail = reject))
  const nextMs = () => task.getNextRun()?.getTime() ?? null
  const start = () => {
    if (running !== undefined) {
      log.warn('the run before is not finished; this one is left out')
      return
    }
    running = once(pipeline, log, signal, nextMs)
      .catch(fail)
      .finally(() => (running = undefined))
  }
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    const state = await loadState(pipeline.state)
    const missed = state?.nextDueMs != null && state.nextDueMs <= Date.now()
    const doneUntil = state && new Date(state.doneUntilMs).toISOString()
    log.info({ cron: pipeline.cron, timezone: pipeline.timezone, doneUntil, missed }, 'waiting for the next run')
    if (state === undefined) await saveState(pipeline.state, { ...initial(pipeline), nextDueMs: nextMs() })
    if (missed) start()
    await Promise.race([stopped, failed])
  } finally {
    await task.destroy()
    await running
  }
}

async function once(
  pipeline: ReprocessPipeline,
  log: Log,
  signal: AbortSignal,
  nextMs: () => number | null,
): Promise<void> {
  const { doneUntilMs } = (await loadState(pipeline.state)) ?? initial(pipeline)
  const untilMs = Math.floor((Date.now() - pipeline.delay) / 1000) * 1000
  if (untilMs <= doneUntilMs) return
  const range = { sinceNs: BigInt(doneUntilMs) * 1_000_000n, untilNs: BigInt(untilMs) * 1_000_000n }
  const named = { since: new Date(doneUntilMs).toISOString(), until: new Date(untilMs).toISOString() }
  log.info(named, 'computing again')
  const startMs = Date.now()
  try {
    const { problems, ...result } = await reprocess({
      archives: [pipeline.archive],
      range,
      questdb: pipeline.questdb,
      thresholds: pipeline.thresholds,
      workers: pipeline.workers ?? availableParallelism(),
      onNote: (text) => log.warn(text),
      signal,
    })
    for (const problem of problems) log.warn(problem)
    await saveState(pipeline.state, { schemaVersion: 1, doneUntilMs: untilMs, nextDueMs: nextMs() })
    log.info({ ...named, ...result, tookMs: Date.now() - startMs }, 'computed again')
  } catch (error) {
    if (signal.aborted) return
    // The next run covers this one's range, too.
    log.error({ ...named, reason: (error as Error).message }, 'the run failed; the next one makes up for it')
  }
}

function initial({ delay, first }: ReprocessPipeline): State {
  const doneUntilMs = Math.floor((Date.now() - delay - first) / 1000) * 1000
  return { schemaVersion: 1, doneUntilMs, nextDueMs: null }
}

async function loadState(path: string): Promise<State | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new UserError(`cannot read the state ${path}: ${(error as Error).message}`)
  }
  try {
    return State.parse(JSON.parse(text))
  } catch {
    throw new UserError(`${path} is not a state of reprocessing: remove it, or name another file`)
  }
}

async function saveState(path: string, state: State): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await replaceFile(path, `${JSON.stringify(state)}\n`)
  } catch (error) {
    throw new UserError(`cannot write the state ${path}: ${(error as Error).message}`)
  }
}
