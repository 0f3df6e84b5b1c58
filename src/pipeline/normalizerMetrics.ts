import { counter, gauge, type MetricDefinition } from '../status/metrics.js'
import type { Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import type { WireBytes } from '../transport/kafka.js'
import type { Counts } from './counts.js'
import type { Normalizer } from './normalizer.js'
import { byName, byTrack } from './readings.js'
import type { Supervisor } from './supervisor.js'

export interface MetricSources {
  readonly counts: Counts
  readonly normalizer: Pick<Normalizer, 'partitions' | 'loading' | 'paused' | 'waitingRows'>
  readonly supervisor: Pick<Supervisor, 'unreadMessages'>
  readonly wire: Readonly<WireBytes>
}

/** Everything a normalizer shows on /metrics, by name. */
export function normalizerMetrics({ counts, normalizer, supervisor, wire }: MetricSources): MetricDefinition[] {
  const track = ['track']
  const runs = () => [...normalizer.partitions.values()].flatMap((partition) => [...partition.openRuns])
  const pending = (of: Track) => runs().reduce((sum, run) => sum + run.pendingBytes[of], 0)
  return [
    counter('messages_total', 'Messages read from the raw topics', () => byTrack(counts.messages), track),
    counter('bytes_total', 'Bytes of both tracks read, unpacked', () => byTrack(counts.bytes), track),
    counter(
      'rows_total',
      'Rows the store has acknowledged; what a restart writes again counts again',
      () => byName('table', counts.rows),
      ['table'],
    ),
    counter(
      'duplicate_messages_total',
      'Messages whose bytes had come before',
      () => byTrack(counts.duplicates),
      track,
    ),
    counter(
      'late_messages_total',
      'Messages that came after their place had been passed; not used',
      () => byTrack(counts.late),
      track,
    ),
    counter('gaps_total', 'Places where messages are missing in a track', () => byTrack(counts.gaps), track),
    counter(
      'lost_bytes_total',
      'Bytes missing in a track, of no use without what is missing, or of a generation that is too large',
      () => byTrack(counts.lostBytes),
      track,
    ),
    counter(
      'silent_tracks_total',
      'Tracks taken as ended because nothing came of them',
      () => byTrack(counts.silent),
      track,
    ),
    counter(
      'dead_letters_total',
      'Messages and rows put among the dead letters',
      () => byName('reason', Object.entries(counts.dead)),
      ['reason'],
    ),
    counter(
      'abandoned_messages_total',
      'Messages left out because the analysis of their run had failed',
      () => byTrack(counts.abandoned),
      track,
    ),
    counter(
      'streams_from_the_past_total',
      'Runs whose stream is older than one known before: the clock of their host went back',
      () => byTrack(counts.streamsFromThePast),
      track,
    ),
    counter(
      'delivery_rows_dropped_total',
      'Rows of pipeline_health about delivery that had no room while QuestDB was away',
      () => counts.deliveryRowsDropped,
    ),
    counter(
      'clock_steps_total',
      'Times the wall clock of a host was set, as its Go trace tells',
      () => counts.clockSteps,
    ),
    counter('perf_lost_events_total', 'Events that perf said it lost', () => counts.perfLost),
    counter('late_events_total', 'Events older than what had been processed', () => counts.lateEvents),
    counter('unreadable_records_total', 'Records and generations that could not be read', () => counts.unreadable),
    counter('checkpoints_total', 'Checkpoints written', () => counts.checkpoints),
    counter('checkpoint_bytes_total', 'Bytes of checkpoints written, packed', () => counts.checkpointBytes),
    counter(
      'checkpoints_too_large_total',
      'Checkpoints not written because they exceed what a message holds',
      () => counts.checkpointsTooLarge,
    ),
    counter(
      'checkpoints_unusable_total',
      'Checkpoints that could not be resumed from',
      () => counts.checkpointsUnusable,
    ),
    counter(
      'checkpoints_expired_total',
      'Runs forgotten because they were over long ago',
      () => counts.checkpointsExpired,
    ),
    counter('assignments_total', 'Times the group shared out its partitions', () => counts.assignments),
    counter('kafka_retries_total', 'Waits for a Kafka that did not answer', () => counts.kafkaRetries),
    counter('questdb_retries_total', 'Waits for a QuestDB that did not answer', () => counts.questdbRetries),
    counter(
      'questdb_tables_resumed_total',
      'Tables QuestDB had suspended, and that were resumed',
      () => counts.resumedTables,
    ),
    counter(
      'stuck_total',
      'Times there was something to do and nothing was done',
      () => byName('cause', Object.entries(counts.stuck)),
      ['cause'],
    ),
    counter('kafka_received_bytes_total', 'Bytes received, as they travel', () => wire.receivedPackedBytes),
    counter('kafka_received_unpacked_bytes_total', 'Bytes received, unpacked', () => wire.receivedBytes),
    gauge('kafka_compression_ratio', 'How many times smaller what was received is on its way', () => ratio(wire)),
    gauge('active_sources', 'Runs of sources that are not over', () => runs().length),
    gauge('partitions', 'Partitions of this member', () => normalizer.partitions.size + normalizer.loading.size),
    gauge('held_back_partitions', 'Partitions of which one track waits for the other', () => normalizer.paused.size),
    gauge(
      'pending_bytes',
      'Bytes read that wait for the other track',
      () => tracks.map((of) => [{ track: of }, pending(of)] as const),
      track,
    ),
    gauge('waiting_rows', 'Rows that the store has not acknowledged', () => normalizer.waitingRows),
    gauge('lag_messages', 'Messages in Kafka that have not been read', () => byTrack(supervisor.unreadMessages), track),
    gauge(
      'lag_ms',
      'Time from the shipping of the latest live message to its reading',
      () => byTrack(counts.delayMs),
      track,
    ),
  ]
}

function ratio({ receivedBytes, receivedPackedBytes }: Readonly<WireBytes>): number | undefined {
  return receivedPackedBytes === 0 ? undefined : receivedBytes / receivedPackedBytes
}
