import { counter, gauge, type MetricDefinition, type Reading } from '../../status/metrics.js'
import type { WireBytes } from '../../transport/kafka.js'
import type { CollectorStatus, InputStatus } from './status.js'

/** Everything a collector shows on /metrics, by name. */
export function collectorMetrics(
  { cpu, outbox, inputs }: CollectorStatus,
  wire: Readonly<WireBytes>,
): MetricDefinition[] {
  const input = ['input']
  const each = (read: (status: InputStatus) => number): (() => Reading) => {
    return () => inputs.map((status) => [{ input: status.watches }, read(status)] as const)
  }
  return [
    gauge(
      'collector_cpu_percent',
      'CPU over the last cpuWindow, percent of one core, of the collector and of the perfs it runs',
      () => [
        [{ of: 'collector' }, cpu.collectorPercent],
        [{ of: 'perf' }, cpu.perfPercent],
      ],
      ['of'],
    ),
    gauge('collector_cpu_ceiling_percent', 'What both may use together', () => cpu.ceilingPercent),
    counter('collector_thinned_total', 'Times less was recorded to stay below the ceiling', () => cpu.thinned),
    counter('collector_restored_total', 'Times more was recorded again', () => cpu.restored),
    counter('collector_sent_messages_total', 'Messages Kafka has acknowledged', () => outbox.sentMessages),
    counter('collector_sent_bytes_total', 'Bytes of these, unpacked', () => outbox.sentBytes),
    counter(
      'collector_shed_messages_total',
      'Messages left out because memory and spool were full',
      () => outbox.shedMessages,
    ),
    counter('collector_shed_bytes_total', 'Bytes of these', () => outbox.shedBytes),
    counter(
      'collector_damaged_bytes_total',
      'Bytes that lay in the spool and could not be read any more',
      () => outbox.damagedBytes,
    ),
    counter(
      'collector_spooled_bytes_total',
      'Bytes that went to the disk because Kafka was slow or away',
      () => outbox.spooledBytes,
    ),
    gauge(
      'collector_waiting_bytes',
      'Bytes that wait for Kafka now',
      () => [
        [{ where: 'memory' }, outbox.memoryWaitingBytes],
        [{ where: 'disk' }, outbox.diskWaitingBytes],
      ],
      ['where'],
    ),
    counter('collector_kafka_sent_bytes_total', 'Bytes sent, as they travel', () => wire.sentPackedBytes),
    gauge('collector_kafka_compression_ratio', 'How many times smaller what was sent is on its way', () =>
      wire.sentPackedBytes === 0 ? undefined : wire.sentBytes / wire.sentPackedBytes,
    ),
    gauge(
      'collector_collecting',
      '1 while the process is collected, 0 while it is looked for',
      each(({ source }) => (source === undefined ? 0 : 1)),
      input,
    ),
    counter(
      'collector_instances_total',
      'Processes collected, the present one included',
      each(({ instances }) => instances),
      input,
    ),
    counter(
      'collector_track_bytes_total',
      'Bytes collected',
      () =>
        inputs.flatMap(({ watches, gotrace, perf }) => [
          [{ input: watches, track: 'gotrace' }, gotrace.bytes] as const,
          [{ input: watches, track: 'perf' }, perf.bytes] as const,
        ]),
      ['input', 'track'],
    ),
    counter(
      'collector_traces_total',
      'Go traces begun: windows, connections, files, dumps',
      each(({ gotrace }) => gotrace.traces),
      input,
    ),
    counter(
      'collector_generations_total',
      'Generations of them',
      each(({ gotrace }) => gotrace.generations),
      input,
    ),
    counter(
      'collector_trace_gaps_total',
      'Stretches between two Go traces in which nothing was traced',
      each(({ gotrace }) => gotrace.gaps),
      input,
    ),
    counter(
      'collector_trace_gap_seconds_total',
      'Length of these, s',
      each(({ gotrace }) => gotrace.gapNs / 1e9),
      input,
    ),
    counter(
      'collector_trace_failures_total',
      'Times the source of the Go trace did not answer, broke off, could not be read, or gave what is no trace',
      each(({ gotrace }) => gotrace.failures),
      input,
    ),
    counter(
      'collector_uncovered_dumps_total',
      'Dumps of a flight recorder that began before what was still known of perf',
      each(({ gotrace }) => gotrace.uncovered),
      input,
    ),
    counter(
      'collector_trace_absences_total',
      'Times nothing came of the Go trace for awayAfter, so that the run went on without it',
      each(({ gotrace }) => gotrace.absences),
      input,
    ),
    counter(
      'collector_shed_generations_total',
      'Generations left out for want of room',
      each(({ gotrace }) => gotrace.shedGenerations),
      input,
    ),
    gauge(
      'collector_perf_detail',
      '1 for what perf records now: full, or less to save CPU',
      () => inputs.map(({ watches, perf }) => [{ input: watches, detail: perf.detail }, 1] as const),
      ['input', 'detail'],
    ),
    gauge(
      'collector_kept_perf_bytes',
      "Bytes of perf's text kept for the dumps of a flight recorder, packed",
      each(({ perf }) => perf.keptBytes),
      input,
    ),
    counter(
      'collector_shed_records_total',
      'Records of perf left out for want of room',
      each(({ perf }) => perf.shedRecords),
      input,
    ),
    counter(
      'collector_perf_rotations_total',
      'Fresh perfs that took over without a hole',
      each(({ perf }) => perf.rotations),
      input,
    ),
    counter(
      'collector_perf_restarts_total',
      'Times perf ended by itself and was started again, with a hole',
      each(({ perf }) => perf.restarts),
      input,
    ),
    counter(
      'collector_perf_failed_starts_total',
      'Times perf could not be started',
      each(({ perf }) => perf.failedStarts),
      input,
    ),
    counter(
      'collector_perf_lost_events_total',
      'Events perf lost, and one for every hole and every second of it',
      each(({ perf }) => perf.lostEvents),
      input,
    ),
  ]
}
