import { promisify } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { gunzip, gzip } from 'node:zlib'
import { z } from 'zod'
import type { AnalysisOptions, SavedAnalysis } from '../analysis/analysis.js'
import { maxCheckpointBytes } from '../transport/topics.js'

/** Changes whenever the state of the analysis changes its shape: a normalizer recomputes from the raw data what it cannot resume. */
export const checkpointVersion = 17

/**
 * What a checkpoint may unpack to. Real ones have 0.2 to 2.4 MB and shrink to a third; those of a service with 100,000 goroutines have 28 to 31 MB.
 */
export const maxUnpackedBytes = 256 * 1024 * 1024
/** What a message has besides its value. */
const envelopeBytes = 64 * 1024

const perTrack = <T extends z.ZodType>(type: T) => z.object({ gotrace: type, perf: type })

const ResumePoint = z.object({
  offset: z.bigint(),
  streamPosition: z.number(),
  fedPosition: z.number(),
  skipping: z.boolean(),
  gapBytes: z.number(),
  wantsHeader: z.boolean(),
})

/** What one run of a source needs to go on elsewhere. */
const Checkpoint = z.object({
  version: z.number(),
  source: z.string(),
  stream: z.string(),
  /** As rows name it; absent: the stream. */
  run: z.string().optional(),
  options: z.custom<AnalysisOptions>((value) => typeof value === 'object' && value !== null),
  /** Offset of the run's first message in each topic; undefined when none had come. */
  began: perTrack(z.bigint().optional()),
  /** Undefined for a track of which nothing had come yet, and once the run is over. */
  resume: perTrack(ResumePoint.optional()),
  /** At which position each track was ended, by its end, by silence or by a newer run; undefined: it goes on. */
  endedAt: perTrack(z.number().optional()),
  /** Undefined once the run is over: then only the memory of that is kept. Its shape is that of the version. */
  saved: z.custom<SavedAnalysis>((value) => typeof value === 'object' && value !== null).optional(),
  takenAtMs: z.number(),
})
export type Checkpoint = z.infer<typeof Checkpoint>

/**
 * That a track is taken as ended at a position, because of the time that has passed: told before any row that follows from it is
 * written, so that whoever computes the run again ends it at the same byte.
 */
const Ending = z.object({ source: z.string(), stream: z.string(), endedAt: perTrack(z.number().optional()) })
export type Ending = z.infer<typeof Ending>

/** The places alone: the run goes on there as one whose beginning is missing, with the first generation that begins. */
export function withoutState(checkpoint: Checkpoint): Checkpoint {
  const afresh = { fedPosition: 0, gapBytes: 0 }
  const { gotrace, perf } = checkpoint.resume
  return {
    ...checkpoint,
    resume: {
      gotrace: gotrace && { ...gotrace, ...afresh, skipping: true, wantsHeader: true },
      perf: perf && { ...perf, ...afresh },
    },
    saved: undefined,
  }
}

export function serializeCheckpoint(checkpoint: Checkpoint): Buffer {
  return serialize(checkpoint)
}

/**
 * What `serializeCheckpoint` gave, as it goes to its topic; undefined when it is too large to be kept, or to be read again.
 */
export async function packCheckpoint(serialized: Buffer): Promise<Buffer | undefined> {
  if (serialized.length > maxUnpackedBytes) return undefined
  const packed = await packState(serialized)
  return packed.length > maxCheckpointBytes - envelopeBytes ? undefined : packed
}

export async function packEnding(ending: Ending): Promise<Buffer> {
  return packState(serialize(ending))
}

/** As states are kept: they shrink to a third, fast. */
export async function packState(serialized: Buffer): Promise<Buffer> {
  return promisify(gzip)(serialized, { level: 1 })
}

/** @throws Error saying why it cannot be read at all; whether its state can be resumed from, its version says. */
export async function unpackCheckpoint(packed: Uint8Array): Promise<Checkpoint> {
  return parsed(Checkpoint, await unpackState(packed))
}

/** @throws Error saying why it cannot be read. */
export async function unpackEnding(packed: Uint8Array): Promise<Ending> {
  return parsed(Ending, await unpackState(packed))
}

function parsed<T>(type: z.ZodType<T>, value: unknown): T {
  const result = type.safeParse(value)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  throw new Error(`${path.map(String).join('.')}: ${message}`)
}

/** @throws Error when it cannot be read, or is too large. */
export async function unpackState(packed: Uint8Array): Promise<unknown> {
  return deserialize(await promisify(gunzip)(packed, { maxOutputLength: maxUnpackedBytes })) as unknown
}

/**
 * Key of a run in the checkpoint topic, and in memory: two parts with a blank between them, and none in them. What stands beside a checkpoint has a third
 * part, so whatever sources and streams are called, no two of these keys are alike.
 */
export function runKey(source: string, stream: string): string {
  return `${withoutBlanks(source)} ${withoutBlanks(stream)}`
}

function withoutBlanks(text: string): string {
  return text.replaceAll('%', '%25').replaceAll(' ', '%20')
}

function isBeside(key: string, suffix: string): boolean {
  return key.endsWith(suffix) && key.split(' ').length === 3
}

const endingSuffix = ' ended'

/** Key of a run's ending in the checkpoint topic. */
export function endingKey(key: string): string {
  return key + endingSuffix
}

export function isEndingKey(key: string): boolean {
  return isBeside(key, endingSuffix)
}

const failureSuffix = ' #failed'

/**
 * Key of the note in the checkpoint topic that the analysis of a run failed on what follows its checkpoint. It speaks of the one before it in the topic.
 */
export function failureKey(key: string): string {
  return key + failureSuffix
}

export function isFailureKey(key: string): boolean {
  return isBeside(key, failureSuffix)
}
