import { z } from 'zod'

/** Name of the manifest inside a capture directory. */
export const manifestFile = 'manifest.json'

const runName = z.string().regex(/^[\w.-]{1,64}$/)
const decimalNs = z.string().regex(/^\d+$/, 'a decimal number of nanoseconds, as a string')

/** A position in a track and where its next message lies: how far the archive has come. */
const Reached = z.strictObject({
  /** The next Kafka message wanted. */
  offset: z.string().regex(/^\d+$/),
  /** As shipped, and without what was lost on the way. */
  streamPosition: z.int().nonnegative(),
  fedPosition: z.int().nonnegative(),
  skipping: z.boolean(),
  gapBytes: z.int().nonnegative(),
  wantsHeader: z.boolean(),
})

/** A file that only grows: what lies behind these bytes does not count. */
const Grown = z.strictObject({
  file: fileName(),
  /** Of the file as it lies there. */
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type Grown = z.infer<typeof Grown>

/** One track of one hour of the archive. Positions count the bytes of the track that arrived, from the begin of the run. */
export const ArchivedTrack = Grown.extend({
  /** Bytes put before the hour's own so that the file can be read alone. */
  prefixBytes: z.int().nonnegative(),
  fromPosition: z.int().nonnegative(),
  reached: Reached,
  partition: z.int().nonnegative(),
  firstOffset: z.string().regex(/^\d+$/),
  /** [position, bytes missing before it] */
  gaps: z.array(z.tuple([z.int(), z.int()])),
  /** When the bytes were shipped, as `archive/shipments.ts` writes it: one line a message is too much for a manifest. */
  shipmentFile: Grown.optional(),
  /** Wall time of the data, ns since the epoch; absent when nothing in it could be dated. */
  fromNs: decimalNs.optional(),
  toNs: decimalNs.optional(),
  /** Wall time of the zero of the track's clock; the hour is counted with it. */
  originNs: z.string().regex(/^-?\d+$/),
  /** What the file of a later hour begins with, base64. */
  head: z.string().optional(),
  /** It stops in the middle of a record of perf's text that was longer than a message. */
  withinRecord: z.boolean(),
  /** Nothing comes after it. */
  ended: z.boolean(),
})
export type ArchivedTrack = z.infer<typeof ArchivedTrack>

/** What the archive keeps of a capture besides: enough to put the hours of a run together again, byte for byte. */
const Archived = z.strictObject({
  stream: runName,
  /** Which recording it is, in rows; absent: the stream. */
  run: runName.optional(),
  hour: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d$/),
  ships: z.enum(['gotrace', 'perf', 'gotrace,perf']),
  perfClock: z.enum(['CLOCK_MONOTONIC', 'unknown']).optional(),
  gotrace: ArchivedTrack.optional(),
  perf: ArchivedTrack.optional(),
})

/**
 * What a capture directory says of itself. `record` writes it, `diagnose` and `replay` read it. File names are relative to the
 * directory and cannot leave it.
 */
export const Manifest = z.strictObject({
  schemaVersion: z.literal(1),
  /** `host/service/pid/start`: names one process instance; the Kafka key and the `source` column. */
  source: z.string().min(1).max(512),
  service: z.string().min(1).max(255),
  host: z.string().min(1).max(255),
  pid: z.int().nonnegative(),
  /** One moment on both clocks, read back to back on the recorded host. */
  clock: z.strictObject({ monotonicNs: decimalNs, wallNs: decimalNs }).optional(),
  gotrace: z.strictObject({ file: fileName() }).optional(),
  perf: z
    .strictObject({
      file: fileName(),
      /** Clock perf stamped its events with: `CLOCK_MONOTONIC` joins exactly. */
      clock: z.enum(['CLOCK_MONOTONIC', 'unknown']),
      /** What perf itself said it lost while recording. */
      lostEvents: z.int().nonnegative(),
      /** Notes a reader must know, e.g. that a hardware counter was replaced by cpu-clock. */
      notes: z.array(z.string()).default([]),
    })
    .optional(),
  /**
   * Threads that go by another id inside the process's pid namespace, as the Go trace has them, than outside, as perf has them:
   * [outside, inside].
   */
  threads: z.array(z.tuple([z.int().positive(), z.int().positive()])).optional(),
  /** How it was made: tool version, the command line of the recorded process, the wanted duration. */
  recorded: z
    .strictObject({
      by: z.string(),
      command: z.array(z.string()).optional(),
      durationMs: z.number().nonnegative().optional(),
      kernel: z.string().optional(),
      go: z.string().optional(),
      perf: z.string().optional(),
    })
    .optional(),
  archive: Archived.optional(),
})
export type Manifest = z.infer<typeof Manifest>

function fileName() {
  return z.string().regex(/^[\w][\w.-]*$/, 'a plain file name inside the capture directory')
}
