import type { Thresholds } from './thresholds.js'

/**
 * What a table of the store looks like. The DDL, the JSON schema and the Grafana queries are all derived from these
 * definitions; the store adds nothing to them.
 *
 * Every table also has `ts` (designated timestamp), `source`, `service` and `host`, and in the store `run`; these are not listed in `columns`.
 */
export interface Table {
  readonly name: string
  /** One sentence: what one row stands for. */
  readonly doc: string
  readonly columns: readonly Column[]
  /** Columns that, together with `ts`, `source` and `run`, identify a row. Writing such a row again replaces it. */
  readonly keys: readonly string[]
  /** How long the store keeps rows, in days. */
  readonly ttlDays: number
  /** A row is about one thing: `ts` is its begin or its end, and the column says how long it took. Absent: a row sums up a window that begins at `ts`. */
  readonly event?: { readonly ts: 'begin' | 'end'; readonly length: string }
  /** How long that window is, 1 s when absent. */
  readonly windowSeconds?: number
  /** Only from this threshold on there is a row. */
  readonly threshold?: keyof Thresholds
}

export interface Column {
  readonly name: string
  /**
   * `symbol`: text with few distinct values. `long`: integer below 2^53. `text`: anything longer. `timestamp`: ns since the
   * epoch, as a decimal string like `ts`.
   */
  readonly type: 'symbol' | 'long' | 'double' | 'boolean' | 'text' | 'timestamp'
  /** What it holds, with its unit. */
  readonly doc: string
}

export type Value = string | number | boolean | null

/**
 * One row. `ts` is nanoseconds since the epoch as a decimal string, because such numbers do not fit in a float64; every other
 * key is a column of the table. A value that could not be known is `null`, never a guess.
 */
export interface Row {
  ts: string
  source: string
  service: string
  host: string
  [column: string]: Value
}
