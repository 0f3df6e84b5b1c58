import { counter, gauge, type MetricDefinition } from '../../status/metrics.js'
import { byName, byTrack } from '../readings.js'
import type { Supervisor } from '../supervisor.js'
import type { Archiver } from './archiver.js'

/** Everything an archiver shows on /metrics, by name. */
export function archiverMetrics(
  archiver: Pick<
    Archiver,
    'counts' | 'pendingBytes' | 'partitionCount' | 'openRuns' | 'aboveBytes' | 'unreadableKeeps'
  >,
  supervisor: Pick<Supervisor, 'unreadMessages'>,
): MetricDefinition[] {
  const { counts } = archiver
  return [
    counter('archiver_messages_total', 'Messages read from the raw topics', () => counts.messages),
    counter('archiver_bytes_total', 'Bytes of both tracks read, unpacked', () => counts.bytes),
    counter('archiver_unusable_messages_total', 'Messages that nobody can read; not archived', () => counts.unusable),
    counter('archiver_duplicate_messages_total', 'Messages whose bytes had come before', () => counts.duplicates),
    counter(
      'archiver_late_messages_total',
      'Messages that came after their place had been passed; not archived',
      () => counts.late,
    ),
    counter('archiver_gaps_total', 'Places where messages are missing in a track', () => counts.gaps),
    counter(
      'archiver_lost_bytes_total',
      'Bytes missing in a track, of no use without what is missing, or of a generation that is too large',
      () => counts.lostBytes,
    ),
    counter(
      'archiver_flushes_total',
      'Times what had come was written and its offsets committed',
      () => counts.flushes,
    ),
    counter('archiver_failed_writes_total', 'Writes that the disk refused and that were tried again', () => {
      return counts.failedWrites
    }),
    counter(
      'archiver_damaged_captures_total',
      'Captures that could not be gone on with and were put aside',
      () => counts.damagedCaptures,
    ),
    counter(
      'archiver_failed_runs_total',
      'Times a run was begun again because what had come of it could not be archived',
      () => counts.failedRuns,
    ),
    counter('archiver_deleted_captures_total', 'Captures deleted because of age or size', () => counts.deletedCaptures),
    counter('archiver_deleted_bytes_total', 'Bytes of these', () => counts.deletedBytes),
    counter(
      'archiver_failed_retentions_total',
      'Rounds of retention in which something that was to go could not be deleted',
      () => counts.failedRetentions,
    ),
    counter(
      'archiver_stuck_total',
      'Times there was something to do and nothing was done',
      () => byName('cause', Object.entries(counts.stuck)),
      ['cause'],
    ),
    gauge(
      'archiver_above_limit_bytes',
      'Bytes above maxSize that cannot be deleted, kept or in use',
      () => archiver.aboveBytes,
    ),
    gauge(
      'archiver_unreadable_keeps',
      'Keeps that cannot be read, and keep all they may mean',
      () => archiver.unreadableKeeps,
    ),
    gauge('archiver_pending_bytes', 'Bytes read that are not on the disk yet', () => archiver.pendingBytes),
    gauge('archiver_partitions', 'Partitions it reads', () => archiver.partitionCount),
    gauge('archiver_active_sources', 'Runs of sources held in memory', () => archiver.openRuns),
    gauge(
      'archiver_lag_messages',
      'Messages in Kafka that have not been read',
      () => byTrack(supervisor.unreadMessages),
      ['track'],
    ),
  ]
}
