import type { StoredRow } from '../store/store.js'
import type { Track } from '../transport/envelope.js'
import type { StuckCause } from './watchdog.js'

type PerTrack = Record<Track, number>
const perTrack = (): PerTrack => ({ gotrace: 0, perf: 0 })

/** Why a message or a row went to the dead letters. */
export const deadReasons = [
  'future_schema',
  'malformed',
  'wrong_topic',
  'too_large',
  'unreadable',
  'failed_analysis',
  'refused_row',
] as const
export type DeadReason = (typeof deadReasons)[number]
/** … a message, which was not of use. */
export type RefusalReason = Exclude<DeadReason, 'refused_row'>

/** Everything a normalizer counts since it started, by name. Plain numbers; the metrics read them. */
export function newCounts() {
  return {
    messages: perTrack(),
    bytes: perTrack(),
    duplicates: perTrack(),
    gaps: perTrack(),
    lostBytes: perTrack(),
    /** Messages that came after their place had been passed. */
    late: perTrack(),
    /** Tracks taken as ended because nothing came of them. */
    silent: perTrack(),
    /** Ms from the shipping of the latest message to its reading. */
    delayMs: { gotrace: undefined, perf: undefined } as Record<Track, number | undefined>,
    /** Messages of a run that was given up because its analysis had failed. */
    abandoned: perTrack(),
    /** Runs that began with an earlier stream than one already known of the same source: its host's clock went back. */
    streamsFromThePast: perTrack(),
    dead: Object.fromEntries(deadReasons.map((reason) => [reason, 0])) as Record<DeadReason, number>,
    rows: new Map<string, number>(),
    /** Rows of pipeline_health about delivery that had no room while the store was away. */
    deliveryRowsDropped: 0,
    /** As the rows of pipeline_health say. */
    perfLost: 0,
    lateEvents: 0,
    unreadable: 0,
    clockSteps: 0,
    checkpoints: 0,
    checkpointBytes: 0,
    checkpointsTooLarge: 0,
    checkpointsUnusable: 0,
    checkpointsExpired: 0,
    assignments: 0,
    kafkaRetries: 0,
    questdbRetries: 0,
    resumedTables: 0,
    stuck: { kafka: 0, questdb: 0, consumer: 0 } as Record<StuckCause<'questdb'>, number>,
  }
}
export type Counts = ReturnType<typeof newCounts>

/** Rows the store has acknowledged. Rows that a restart writes again count again. */
export function countRows(counts: Counts, rows: readonly StoredRow[]): void {
  for (const { table, row } of rows) {
    counts.rows.set(table, (counts.rows.get(table) ?? 0) + 1)
    // What it says of delivery has been counted when it was seen.
    if (table !== 'pipeline_health' || row['events'] === undefined) continue
    counts.perfLost += Number(row['lost'])
    counts.lateEvents += Number(row['late'])
    counts.unreadable += Number(row['parse_errors'])
    counts.clockSteps += Number(row['clock_steps'])
  }
}
