import { z } from 'zod'
import { severities } from '../findings/finding.js'
import { tables } from '../measures/tables.js'
import { FollowedTaskResult, PartialTaskResult } from './followed.js'
import type { Column } from '../measures/table.js'

/** Version of the JSON result; raised whenever a reader of it would have to change. */
export const resultSchemaVersion = 1

const decimalNs = z.string().regex(/^-?\d+$/)

function columnSchema(column: Column): z.ZodType {
  switch (column.type) {
    case 'long':
      return z.int().nullable()
    case 'double':
      return z.number().nullable()
    case 'boolean':
      return z.boolean().nullable()
    case 'timestamp':
      return decimalNs.nullable()
    case 'symbol':
    case 'text':
      return z.string().nullable()
  }
}

const tableSchemas = Object.fromEntries(
  tables.map((table) => [
    table.name,
    z.array(
      z.strictObject({
        ts: decimalNs,
        source: z.string(),
        service: z.string(),
        host: z.string(),
        ...Object.fromEntries(table.columns.map((column) => [column.name, columnSchema(column)])),
      }),
    ),
  ]),
)

/** What `diagnose --json` writes. Times are ns; `ts`, `from` and `to` are decimal strings of ns since the epoch. */
export const DiagnoseResult = z.strictObject({
  schemaVersion: z.literal(resultSchemaVersion),
  capture: z.strictObject({
    source: z.string(),
    service: z.string(),
    host: z.string(),
    from: decimalNs.nullable(),
    duration_ns: z.int(),
    /** The parts of it that rows and findings are about; null = all of it. */
    windows: z.array(z.strictObject({ from: decimalNs, to: decimalNs })).nullable(),
    gotrace: z.strictObject({ version: z.string().nullable(), events: z.int(), generations: z.int() }).nullable(),
    perf: z.strictObject({ records: z.int(), lost: z.int() }).nullable(),
    /** What could not be read, and why. */
    problems: z.array(
      z.strictObject({
        track: z.enum(['gotrace', 'perf']),
        name: z.string(),
        offset_bytes: z.int(),
        detail: z.string(),
      }),
    ),
  }),
  clock: z.strictObject({
    method: z.string(),
    joined: z.boolean(),
    /** Why the tracks are not joined; empty when they are. */
    reason: z.string(),
    /** Of the last piece of the fit: perf's time minus Go's, and its drift; null when not joined. */
    offset_ns: z.int().nullable(),
    drift_ppm: z.number().nullable(),
    /** Pieces of the fit; 0 when nothing had to be fitted. More than one: a clock was set, or its rate changed. */
    pieces: z.int(),
    /** Of an inferred join, 0 to 1: how much of what Go tells perf's threads confirm; else null. */
    confidence: z.number().nullable(),
    /** Events of Go that the fit puts beside perf's record of the same, and how far apart these lie (20 µs at most); null when nothing was fitted. */
    fit_pairs: z.int().nullable(),
    fit_residual_p50_ns: z.int().nullable(),
    fit_residual_p99_ns: z.int().nullable(),
    common_threads: z.int(),
    /** Network unblocks with an epoll_pwait exit before them on their thread, without one, and those whose thread the trace does not name. */
    pairs: z.int(),
    unmatched: z.int(),
    unplaced: z.int(),
    /** Stays of threads on a CPU in which they wrote Go events, and times that they did so although perf has them off the CPU. */
    awake: z.int(),
    asleep: z.int(),
    /** There was enough for a wrong join to be seen. */
    checked: z.boolean(),
    residual_p50_ns: z.int().nullable(),
    residual_p99_ns: z.int().nullable(),
    /** Where wall time comes from, as in clock_fits: gotrace, perf, manifest, or none. */
    wall: z.string(),
  }),
  tables: z.strictObject(tableSchemas),
  /** The tasks that `--task-id` asked for. One that ended within another that matches is followed with that one. */
  followed: z.array(FollowedTaskResult).optional(),
  /** Tasks that match as well, and were too many. */
  followed_cut: z.int().optional(),
  /** Tasks that match as well, and whose begin or end is not in the recording. */
  followed_in_part: z.array(PartialTaskResult).optional(),
  findings: z.array(
    z.strictObject({
      detector: z.string(),
      severity: z.enum(severities),
      title: z.string(),
      from: decimalNs,
      to: decimalNs,
      evidence: z.strictObject({
        go: z.array(z.string()),
        kernel: z.array(z.string()),
        facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      }),
      next: z.string(),
    }),
  ),
})
export type DiagnoseResult = z.infer<typeof DiagnoseResult>
