import { counter, gauge, type MetricDefinition } from '../../status/metrics.js'
import { byName } from '../readings.js'
import type { ReprocessResult } from './job.js'

/** What a schedule has done since it started, and what comes next. Plain values; the metrics read them. Times are ms since the epoch. */
export function newRounds() {
  return {
    /** Rounds whose range was computed, and those that failed, which the next one makes up for. */
    ended: { done: 0, failed: 0 },
    /** Rounds that were due while the one before was not finished. */
    leftOut: 0,
    /** Runs of sources. */
    runs: { computed: 0, failed: 0 },
    rows: 0,
    readBytes: 0,
    problems: 0,
    /** When the round that is under way began. */
    runningSinceMs: undefined as number | undefined,
    lastTookMs: undefined as number | undefined,
    lastDoneMs: undefined as number | undefined,
    /** Why the last round failed; undefined: it did not. */
    failure: undefined as string | undefined,
    /** All data before this is computed. */
    doneUntilMs: undefined as number | undefined,
    nextMs: undefined as number | undefined,
  }
}
export type Rounds = ReturnType<typeof newRounds>

/** Adds what one range came to. */
export function countRange(rounds: Rounds, { runs, failedRuns, rows, readBytes, problems }: ReprocessResult): void {
  rounds.runs.computed += runs
  rounds.runs.failed += failedRuns
  rounds.rows += rows
  rounds.readBytes += readBytes
  rounds.problems += problems.length
}

/** Why it does not do its work now, one sentence each. */
export function notReady({ failure }: Rounds): string[] {
  return failure === undefined ? [] : [`the last round failed, the next one makes up for it: ${failure}`]
}

/** Everything a schedule shows on /metrics, by name. */
export function roundMetrics(rounds: Rounds): MetricDefinition[] {
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000)
  return [
    counter(
      'reprocess_rounds_total',
      'Rounds that are over: their range was computed, or they failed',
      () => byName('result', Object.entries(rounds.ended)),
      ['result'],
    ),
    counter(
      'reprocess_left_out_rounds_total',
      'Rounds that were due while the one before was not finished',
      () => rounds.leftOut,
    ),
    counter(
      'reprocess_runs_total',
      'Runs of sources that were computed, or given up because they could not be read or computed',
      () => byName('result', Object.entries(rounds.runs)),
      ['result'],
    ),
    counter('reprocess_rows_total', 'Rows the store has acknowledged', () => rounds.rows),
    counter('reprocess_bytes_total', 'Bytes of both tracks read, unpacked', () => rounds.readBytes),
    counter('reprocess_problems_total', 'Things in the archive that were unusable', () => rounds.problems),
    gauge('reprocess_running_seconds', 'How long the round that is under way has taken; absent: none is', () =>
      rounds.runningSinceMs === undefined ? undefined : (Date.now() - rounds.runningSinceMs) / 1000,
    ),
    gauge('reprocess_last_round_seconds', 'How long the last round took', () => seconds(rounds.lastTookMs)),
    gauge('reprocess_last_done_timestamp_seconds', 'When the last round that did not fail was over', () =>
      seconds(rounds.lastDoneMs),
    ),
    gauge('reprocess_done_until_timestamp_seconds', 'All data before this moment is computed', () =>
      seconds(rounds.doneUntilMs),
    ),
    gauge('reprocess_next_round_timestamp_seconds', 'When the next round is due', () => seconds(rounds.nextMs)),
  ]
}
