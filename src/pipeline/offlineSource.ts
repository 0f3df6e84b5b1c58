import type { AnalysisOptions } from '../analysis/analysis.js'
import type { Input } from '../capture/input.js'
import type { Track } from '../measures/measure.js'

/** A recording that has been opened: who it is of, and its tracks. */
export interface OfflineSource {
  readonly names: Pick<AnalysisOptions, 'source' | 'service' | 'host' | 'clock' | 'perfClock' | 'threads'>
  /** Names the recording in stored rows; undefined when it has no name of its own. */
  readonly run?: string | undefined
  readonly inputs: Partial<Record<Track, Input>>
}
