import { z } from 'zod'

/** Name of the manifest inside a capture directory. */
export const manifestFile = 'manifest.json'

const decimalNs = z.string().regex(/^\d+$/, 'a decimal number of nanoseconds, as a string')

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
})
export type Manifest = z.infer<typeof Manifest>

function fileName() {
  return z.string().regex(/^[\w][\w.-]*$/, 'a plain file name inside the capture directory')
}
