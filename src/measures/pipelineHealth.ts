import { perfDetails } from '../perf/index.js'
import { deliveryColumns, noDelivery } from './delivery.js'
import type { Measure, Track } from './measure.js'
import { Buckets, type Seconds } from './seconds.js'
import type { Table } from './table.js'

export const pipelineHealthTable: Table = {
  name: 'pipeline_health',
  doc: 'What came in, per track and second: of a recording by the time of its events; in rows of their own, with null in events, what a normalizer saw of the delivery, by the time of arrival',
  columns: [
    { name: 'track', type: 'symbol', doc: 'gotrace or perf' },
    { name: 'events', type: 'long', doc: 'events read' },
    { name: 'bytes', type: 'long', doc: 'bytes of input they took' },
    { name: 'lost', type: 'long', doc: 'events the recorder said it lost' },
    { name: 'late', type: 'long', doc: 'events older than what had been processed' },
    { name: 'parse_errors', type: 'long', doc: 'records or generations that could not be read' },
    { name: 'lost_bytes', type: 'long', doc: 'bytes of the track that never arrived' },
    {
      name: 'clock_steps',
      type: 'long',
      doc: 'times the wall clock of the host was set, as Go 1.25 and later tell it',
    },
    {
      name: 'left_out',
      type: 'symbol',
      doc: 'what the collector had perf leave out to stay below its CPU ceiling: stacks, or stacks and system calls; null: nothing',
    },
    { name: 'lag_ms', type: 'long', doc: 'shipped by the collector minus happened, ms; null when it was not live' },
    ...deliveryColumns,
  ],
  keys: ['track'],
  ttlDays: 30,
}

/** By place of the level in perfDetails. */
const leftOutNames = [null, 'stacks', 'stacks and system calls'] as const

interface Bucket {
  events: number
  bytes: number
  lost: number
  late: number
  parseErrors: number
  lostBytes: number
  clockSteps: number
  /** Place in perfDetails of the least detail. */
  level: number
  lagMs: number | null
}

const newBucket = (): Bucket => ({
  events: 0,
  bytes: 0,
  lost: 0,
  late: 0,
  parseErrors: 0,
  lostBytes: 0,
  clockSteps: 0,
  level: 0,
  lagMs: null,
})

export const pipelineHealth: Measure = {
  name: 'pipeline_health',
  tables: [pipelineHealthTable],
  create(sink, _thresholds, saved) {
    const state = (saved ?? { gotrace: new Map(), perf: new Map() }) as Record<Track, Seconds<Bucket>>
    const buckets: Record<Track, Buckets<Bucket>> = {
      gotrace: new Buckets(state.gotrace, sink, newBucket),
      perf: new Buckets(state.perf, sink, newBucket),
    }
    const at = (track: Track, atNs: number) => (track === 'gotrace' ? buckets.gotrace : buckets.perf).at(atNs)
    return {
      state,
      input(track, atNs, events, bytes, late) {
        const bucket = at(track, atNs)
        bucket.events += events
        bucket.bytes += bytes
        bucket.late += late
      },
      lost(atNs, events) {
        at('perf', atNs).lost += events
      },
      unreadable(track, atNs, count) {
        at(track, atNs).parseErrors += count
      },
      shipped(track, atNs, lagMs) {
        const bucket = at(track, atNs)
        bucket.lagMs = Math.max(bucket.lagMs ?? 0, lagMs)
      },
      thinned(atNs, detail) {
        const bucket = at('perf', atNs)
        bucket.level = Math.max(bucket.level, perfDetails.indexOf(detail))
      },
      gap(track, atNs, lostBytes) {
        at(track, atNs).lostBytes += lostBytes
      },
      clockStep(atNs) {
        at('gotrace', atNs).clockSteps++
      },
      flush(beforeNs) {
        for (const track of ['gotrace', 'perf'] as const) {
          for (const { startNs, bucket } of buckets[track].takeEnded(beforeNs)) {
            const { events, bytes, lost, late, parseErrors, lostBytes, clockSteps, level, lagMs } = bucket
            const wrong = { lost, late, parse_errors: parseErrors, lost_bytes: lostBytes, clock_steps: clockSteps }
            const left_out = leftOutNames[level] ?? null
            const values = { track, events, bytes, ...wrong, left_out, lag_ms: lagMs, ...noDelivery }
            sink.row(pipelineHealthTable, startNs, values)
          }
        }
      },
    }
  },
}
