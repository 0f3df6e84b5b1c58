import type { Thresholds } from '../../measures/measure.js'
import type { PlainAddress } from '../../store/login.js'
import type { Range } from './run.js'

/** What a worker is started with. */
export interface WorkerSettings {
  readonly questdb: PlainAddress
  readonly thresholds: Partial<Thresholds> | undefined
  readonly range: Range
  /** Directory of the job's states. */
  readonly job: string
}

/** One run of one source to be computed. */
export interface Assignment {
  readonly archive: string
  readonly source: string
  readonly stream: string
  readonly isOver: boolean
  /** Its captures. */
  readonly directories: readonly string[]
}

export type FromWorker =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'done'; readonly rows: number; readonly problems: readonly string[]; readonly warmedUp: boolean }
  | { readonly kind: 'failed'; readonly reason: string; readonly isUsers: boolean }
