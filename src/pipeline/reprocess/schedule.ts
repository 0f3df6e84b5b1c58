import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import nodeCron from 'node-cron'
import { z } from 'zod'
import { replaceFile } from '../../archive/durable.js'
import { UserError } from '../../errors.js'
import { newRegistry } from '../../status/metrics.js'
import { serveStatus } from '../../status/server.js'
import type { ReprocessPipeline } from '../config.js'
import type { Log } from '../log.js'
import { Extents, lateRuns, surveyArchive } from './arrivals.js'
import { reprocess, type ReprocessResult } from './job.js'
import { countRange, newRounds, notReady, roundMetrics, type Rounds } from './rounds.js'

const nsPerMs = 1_000_000n

/** A range that was begun: a later attempt finishes the same one. */
const Running = z.strictObject({
  sinceMs: z.number(),
  untilMs: z.number(),
  /** Runs of which something came late: from when on, ns since the epoch. */
  late: z.record(z.string(), z.string()),
  /** What the archive had when it was begun. */
  seen: Extents,
})
type Running = z.infer<typeof Running>

/** What the schedule remembers. */
const State = z.strictObject({
  schemaVersion: z.literal(1),
  /** All data before this is computed, ms since the epoch. */
  doneUntilMs: z.number(),
  /** When the next round was due, as seen from the last one. */
  nextDueMs: z.number().nullable(),
  running: Running.optional(),
  /** What the archive had when the last round that was finished began; absent before the first one. */
  seen: Extents.optional(),
})
type State = z.infer<typeof State>

/**
 * Computes again what has come into the archive, in rounds at the times the cron expression says: each from where the last one ended, and of a source of which
 * older data came meanwhile from there on, so that nothing is left out, however long nobody ran or the archive lagged. One that was missed or broken
 * off is made up for at the start. Rounds never overlap.
 */
export async function runReprocessing(pipeline: ReprocessPipeline, log: Log, signal: AbortSignal): Promise<void> {
  const rounds = newRounds()
  const server = await serveStatus(pipeline.status, newRegistry(roundMetrics(rounds)), () => notReady(rounds))
  try {
    await runSchedule(pipeline, log, signal, rounds)
  } finally {
    await server?.close()
  }
}

async function runSchedule(pipeline: ReprocessPipeline, log: Log, signal: AbortSignal, rounds: Rounds): Promise<void> {
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
      log.warn('the round before is not finished; this one is left out')
      rounds.leftOut++
      return
    }
    running = round(pipeline, log, signal, nextMs, rounds)
      .catch(fail)
      .finally(() => (running = undefined))
  }
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    const known = await loadState(pipeline.state)
    const state = known ?? { ...initial(pipeline), nextDueMs: nextMs() }
    const missed = state.running !== undefined || (state.nextDueMs !== null && state.nextDueMs <= Date.now())
    const doneUntil = known && new Date(known.doneUntilMs).toISOString()
    log.info({ cron: pipeline.cron, timezone: pipeline.timezone, doneUntil, missed }, 'waiting for the next round')
    if (known === undefined) await saveState(pipeline.state, state)
    rounds.doneUntilMs = state.doneUntilMs
    rounds.nextMs = nextMs() ?? undefined
    if (missed) start()
    await Promise.race([stopped, failed])
  } finally {
    await task.destroy()
    await running
  }
}

/** One round, told as it goes. */
async function round(
  pipeline: ReprocessPipeline,
  log: Log,
  signal: AbortSignal,
  nextMs: () => number | null,
  rounds: Rounds,
): Promise<void> {
  const startMs = Date.now()
  rounds.runningSinceMs = startMs
  rounds.nextMs = nextMs() ?? undefined
  try {
    const failure = await once(pipeline, log, signal, nextMs, rounds)
    if (signal.aborted) return
    rounds.failure = failure
    rounds.ended[failure === undefined ? 'done' : 'failed']++
    rounds.lastTookMs = Date.now() - startMs
    if (failure === undefined) rounds.lastDoneMs = Date.now()
  } finally {
    rounds.runningSinceMs = undefined
  }
}

/** @returns why it failed, in one sentence; undefined: it did not */
async function once(
  pipeline: ReprocessPipeline,
  log: Log,
  signal: AbortSignal,
  nextMs: () => number | null,
  rounds: Rounds,
): Promise<string | undefined> {
  let state = (await loadState(pipeline.state)) ?? initial(pipeline)
  try {
    // First what was broken off, then what has come since.
    for (let isAgain = state.running !== undefined; ; isAgain = false) {
      const running = state.running ?? (await begin(pipeline, log, state))
      if (running === undefined) return undefined
      // Before anything is done: whatever happens now, the next attempt goes on with this range.
      await saveState(pipeline.state, (state = { ...state, running }))
      countRange(rounds, await compute(pipeline, log, signal, running))
      state = { schemaVersion: 1, doneUntilMs: running.untilMs, nextDueMs: nextMs(), seen: running.seen }
      await saveState(pipeline.state, state)
      rounds.doneUntilMs = state.doneUntilMs
      if (!isAgain) return undefined
    }
  } catch (error) {
    const reason = (error as Error).message
    if (!signal.aborted) log.error({ reason }, 'the round failed; the next one makes up for it')
    return reason
  }
}

/** The range that is due; undefined: none. */
async function begin(pipeline: ReprocessPipeline, log: Log, state: State): Promise<Running | undefined> {
  const { doneUntilMs } = state
  const untilMs = Math.floor((Date.now() - pipeline.delay) / 1000) * 1000
  if (untilMs <= doneUntilMs) return undefined
  const survey = await surveyArchive(pipeline.archive)
  // Before the first round nothing was left out.
  const late = state.seen === undefined ? undefined : lateRuns(state.seen, survey, BigInt(doneUntilMs) * nsPerMs)
  for (const [run, sinceNs] of late ?? [])
    log.info({ run, since: isoOf(sinceNs) }, 'data came after its time; its rows are computed from there on')
  const text = [...(late ?? [])].map(([run, sinceNs]) => [run, String(sinceNs)])
  return { sinceMs: doneUntilMs, untilMs, late: Object.fromEntries(text) as Running['late'], seen: survey.extents }
}

async function compute(
  pipeline: ReprocessPipeline,
  log: Log,
  signal: AbortSignal,
  running: Running,
): Promise<ReprocessResult> {
  const { sinceMs, untilMs } = running
  const range = { sinceNs: BigInt(sinceMs) * nsPerMs, untilNs: BigInt(untilMs) * nsPerMs }
  const late = new Map(Object.entries(running.late).map(([run, sinceNs]) => [run, BigInt(sinceNs)]))
  const named = { since: isoOf(range.sinceNs), until: isoOf(range.untilNs), late: late.size }
  log.info(named, 'computing again')
  const startMs = Date.now()
  const computed = await reprocess({
    ...{ archives: [pipeline.archive], range, late, owner: pipeline.state },
    questdb: pipeline.questdb,
    thresholds: pipeline.thresholds,
    workers: pipeline.workers ?? availableParallelism(),
    onNote: (text) => log.warn(text),
    signal,
  })
  const { problems, ...result } = computed
  for (const problem of problems) log.warn(problem)
  log.info({ ...named, ...result, tookMs: Date.now() - startMs }, 'computed again')
  return computed
}

function isoOf(ns: bigint): string {
  return new Date(Number(ns / nsPerMs)).toISOString()
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
