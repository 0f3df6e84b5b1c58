import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Thresholds } from '../../measures/thresholds.js'
import type { PlainAddress } from '../../store/login.js'
import type { Wall } from '../../clock/wall.js'
import type { Range } from './reading.js'

/** What a worker is started with. */
export interface WorkerSettings {
  readonly questdb: PlainAddress
  readonly thresholds: Partial<Thresholds> | undefined
  readonly whole: boolean
  /** Directory of the job's states. */
  readonly job: string
  readonly checkpointEveryMs: number
}

/** One run of one source to be computed. */
export interface Assignment {
  readonly archive: string
  readonly source: string
  readonly stream: string
  /** Nothing comes behind these captures. */
  readonly isOver: boolean
  readonly range: Range
  /** The captures that are read. */
  readonly directories: readonly string[]
  /** Nothing is known of what was before them but this, if it is. */
  readonly wall: Wall | undefined
}

export type FromWorker =
  | { readonly kind: 'progress'; readonly bytes: number; readonly warmUpBytes: number }
  | { readonly kind: 'note'; readonly text: string }
  | {
      readonly kind: 'done'
      /** Why the run could not be computed to its end; undefined: it was. */
      readonly failure: string | undefined
      readonly rows: number
      readonly problems: readonly string[]
      readonly warmedUp: boolean
      /** Rows that were left as they are, by table. */
      readonly kept: ReadonlyMap<string, number>
    }
  /** Nothing more can be written, of any run. */
  | { readonly kind: 'failed'; readonly reason: string; readonly isUsers: boolean }

/** Where a job keeps how far it has come with a run. */
export function statePath(job: string, { source, stream }: Pick<Assignment, 'source' | 'stream'>): string {
  return join(job, `${createHash('sha256').update(`${source} ${stream}`).digest('hex')}.state`)
}
