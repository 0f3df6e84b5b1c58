import type { PerfStreamCounts } from '../../capture/perfStream.js'
import type { PerfDetail } from '../../perf/index.js'
import type { OutboxCounts } from './outbox.js'

/** What one input's Go track has been through, since the start. */
export interface GoTraceStatus {
  /** Traces begun: windows, connections, files, dumps. */
  traces: number
  /** A connection to the process is open, over which its trace comes. */
  isOpen: boolean
  generations: number
  bytes: number
  /** Stretches between two traces in which nothing was traced, and their length. */
  gaps: number
  gapNs: number
  /** Length of the last one. */
  lastGapNs: number
  /** Times the source did not answer, broke off, could not be read, or gave something that is no trace. */
  failures: number
  /** Dumps of a flight recorder that began before what was still known of perf. */
  uncovered: number
  /** Times nothing came of it for so long that the run went on without it. */
  absences: number
  /** Generations left out for want of room. */
  shedGenerations: number
}

export interface PerfStatus extends PerfStreamCounts {
  /** How much is recorded at the moment. */
  detail: PerfDetail
  bytes: number
  /** Text kept for the dumps of a flight recorder, packed. */
  keptBytes: number
  /** Records left out for want of room. */
  shedRecords: number
}

export interface InputStatus {
  /** What the input was told to watch, in words. */
  readonly watches: string
  /** The process being collected; undefined while it is looked for. */
  source: string | undefined
  /** Processes collected so far, the present one included. */
  instances: number
  readonly gotrace: GoTraceStatus
  readonly perf: PerfStatus
}

export interface CpuStatus {
  /** Percent of one core over the last few seconds: this process, and the perfs it runs. */
  collectorPercent: number
  perfPercent: number
  /** Both together may use so much; undefined: as much as they like. */
  readonly ceilingPercent: number | undefined
  /** Times recording was thinned because of that, and restored. */
  thinned: number
  restored: number
}

/** The state of a collector: plain data that is kept up to date, for logs and metrics. */
export interface CollectorStatus {
  readonly startedMs: number
  readonly cpu: CpuStatus
  readonly outbox: OutboxCounts
  readonly inputs: readonly InputStatus[]
}

export const newCpuStatus = (ceilingPercent: number | undefined): CpuStatus => ({
  collectorPercent: 0,
  perfPercent: 0,
  ceilingPercent,
  thinned: 0,
  restored: 0,
})

export function newInputStatus(watches: string): InputStatus {
  return {
    watches,
    source: undefined,
    instances: 0,
    gotrace: {
      traces: 0,
      isOpen: false,
      generations: 0,
      bytes: 0,
      gaps: 0,
      gapNs: 0,
      lastGapNs: 0,
      failures: 0,
      uncovered: 0,
      absences: 0,
      shedGenerations: 0,
    },
    perf: {
      detail: 'full',
      bytes: 0,
      keptBytes: 0,
      shedRecords: 0,
      rotations: 0,
      restarts: 0,
      failedStarts: 0,
      lostEvents: 0,
    },
  }
}
