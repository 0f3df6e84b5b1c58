import { promisify } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { gunzip, gzip } from 'node:zlib'
import type { AnalysisOptions, SavedAnalysis } from '../analysis/analysis.js'
import type { Track } from '../transport/envelope.js'
import { maxCheckpointBytes } from '../transport/topics.js'
import type { ResumePoint } from './intake.js'

/** Changes whenever the state of the analysis changes its shape: a normalizer recomputes from the raw data what it cannot resume. */
export const checkpointVersion = 1

/** What one run of a source needs to go on elsewhere. */
export interface Checkpoint {
  readonly version: number
  readonly source: string
  readonly stream: string
  readonly options: AnalysisOptions
  /** Undefined for a track of which nothing had come yet. */
  readonly resume: Readonly<Record<Track, ResumePoint | undefined>>
  /** At which position each track was ended, by its end, by silence or by a newer run; undefined: it goes on. */
  readonly endedAt: Readonly<Record<Track, number | undefined>>
  /** Undefined once the run is over: then only the memory of that is kept. */
  readonly saved: SavedAnalysis | undefined
  readonly takenAtMs: number
}

export function serializeCheckpoint(checkpoint: Checkpoint): Buffer {
  return serialize(checkpoint)
}

export async function packCheckpoint(serialized: Buffer): Promise<Buffer> {
  return promisify(gzip)(serialized, { level: 1 })
}

/** @throws Error saying why it cannot be resumed from. */
export async function unpackCheckpoint(packed: Uint8Array): Promise<Checkpoint> {
  const serialized = await promisify(gunzip)(packed, { maxOutputLength: 16 * maxCheckpointBytes })
  const checkpoint = deserialize(serialized) as Checkpoint
  if (checkpoint.version !== checkpointVersion)
    throw new Error(`it has version ${checkpoint.version}, this normalizer reads ${checkpointVersion}`)
  return checkpoint
}

/** Key of a run in the checkpoint topic, and in memory. */
export function runKey(source: string, stream: string): string {
  return `${source} ${stream}`
}
