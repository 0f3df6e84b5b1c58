import type { ClockDecision } from '../clock/ladder.js'
import type { WallSource } from '../clock/wall.js'
import type { GoTraceReader } from '../gotrace/index.js'
import type { Track } from '../measures/measure.js'
import type { PerfScriptReader } from '../perf/index.js'
import { type Fit, noFit } from './fit.js'
import type { Run } from './run.js'

/** Something in the input that could not be read. */
export interface InputProblem {
  readonly track: Track
  readonly name: string
  readonly offsetBytes: number
  readonly detail: string
}

export interface AnalysisSummary {
  readonly clock: ClockDecision
  readonly wallSource: WallSource
  /** An old trace is taken to begin when the recording did, by the manifest. */
  readonly wallIsApproximate: boolean
  /** Wall time of the first and last event, ns since the epoch; undefined when there was none. */
  readonly fromWallNs: string | undefined
  readonly durationNs: number
  readonly hasGotrace: boolean
  readonly hasPerf: boolean
  /** The check of the join over the whole input. */
  readonly fit: Fit
  readonly goVersion: string | undefined
  readonly goEvents: number
  readonly goGenerations: number
  readonly perfRecords: number
  readonly perfLost: number
  /** Of perf's records, those of processes other than the service. */
  readonly otherRecords: number
  readonly commonThreads: number
  /** Returns to a CPU that perf did not record. */
  readonly missedSwitchIns: number
  /** perf was told to record every switch. */
  readonly hasSwitchEvents: boolean
  readonly problems: readonly InputProblem[]
}

export function summarize(
  clock: ClockDecision,
  tracks: Readonly<Record<Track, boolean>>,
  go: GoTraceReader,
  perf: PerfScriptReader,
  run: Run | undefined,
): AnalysisSummary {
  const progress = run?.progress
  const wallSource = run?.axis.wallSource ?? 'none'
  const goEvents = progress?.goEvents ?? 0
  const spans = progress !== undefined && progress.lastNs >= progress.firstNs
  return {
    clock,
    wallSource,
    wallIsApproximate: wallSource === 'manifest' && goEvents > 0 && !go.clockIsMonotonic,
    fromWallNs: spans ? run?.sink.wallNs(progress.firstNs) : undefined,
    durationNs: spans ? progress.lastNs - progress.firstNs : 0,
    hasGotrace: tracks.gotrace,
    hasPerf: tracks.perf,
    fit: run?.fit.summary ?? noFit,
    goVersion: go.version,
    goEvents,
    goGenerations: go.generationsRead,
    perfRecords: progress?.perfRecords ?? 0,
    perfLost: progress?.perfLost ?? 0,
    otherRecords: run?.timeline.state.service.otherRecords ?? 0,
    commonThreads: run?.timeline.state.commonThreads ?? 0,
    missedSwitchIns: run?.timeline.state.missedSwitchIns ?? 0,
    hasSwitchEvents: perf.header.hasSwitchEvents,
    problems: [
      ...go.problems.map(({ name, offsetBytes, detail }) => ({ track: 'gotrace' as const, name, offsetBytes, detail })),
      ...perf.problems.map(({ name, offsetBytes, detail }) => ({ track: 'perf' as const, name, offsetBytes, detail })),
    ],
  }
}
