import type { OutRow } from '../measures/measure.js'

export interface StoredRow extends OutRow {
  /** Which recording of the source it is from. */
  readonly run: string
}

export interface RejectedRow extends StoredRow {
  readonly reason: string
}

/** Throws when rows must not be written any more, because they are somebody else's business now. */
export type MayWrite = () => Promise<void>

/** Where finished rows go. Writing a row again replaces it, so that a batch may be repeated after any failure. */
export interface Store {
  /** Creates missing tables and columns. */
  prepare(): Promise<void>
  /**
   * Resolves when every row is acknowledged, except those returned: the store refuses them for good. Waits as long as the store is away.
   * @param mayWrite asked before every request; the writing ends with what it throws.
   */
  write(rows: readonly StoredRow[], mayWrite?: MayWrite): Promise<RejectedRow[]>
  /** Sets right what the store has given up by itself. @returns the names of the tables it was about. */
  tend(): Promise<string[]>
  close(): Promise<void>
}
