import type { Track } from './envelope.js'

/** Names of the topics of one deployment; a prefix keeps several apart on one Kafka. */
export interface Topics {
  readonly gotrace: string
  readonly perf: string
  readonly checkpoints: string
  readonly deadLetter: string
}

export function topicNames(prefix = ''): Topics {
  return {
    gotrace: `${prefix}gotrace.raw`,
    perf: `${prefix}perf.raw`,
    checkpoints: `${prefix}dualtrace.checkpoints`,
    deadLetter: `${prefix}dualtrace.dead-letter`,
  }
}

export const tracks: readonly Track[] = ['gotrace', 'perf']

export interface TopicSpec {
  readonly name: string
  /** Undefined: any number, one when it is created. */
  readonly partitions: number | undefined
  readonly config: Readonly<Record<string, string>>
}

/** Largest value of a message of a raw track: twice what collectors of any version send. */
export const maxValueBytes = 2 * 1024 * 1024

/** Largest value of one checkpoint message, compressed, and of what holds it on the way. */
export const maxCheckpointBytes = 64 * 1024 * 1024

/**
 * The three co-partitioned topics and the dead-letter topic. Checkpoints are compacted: of every source the latest one stays;
 * small segments and a short lag let that happen soon, since a normalizer reads its whole partition when it starts.
 */
export function topicSpecs(topics: Topics, partitions: number, retentionMs: number): TopicSpec[] {
  const raw = { 'retention.ms': String(retentionMs), 'max.message.bytes': String(2 * 1024 * 1024) }
  return [
    { name: topics.gotrace, partitions, config: raw },
    { name: topics.perf, partitions, config: raw },
    {
      name: topics.checkpoints,
      partitions,
      config: {
        'cleanup.policy': 'compact',
        'max.message.bytes': String(maxCheckpointBytes),
        'segment.bytes': String(2 * maxCheckpointBytes),
        'segment.ms': '60000',
        'min.cleanable.dirty.ratio': '0.1',
        'max.compaction.lag.ms': '300000',
        'delete.retention.ms': '3600000',
      },
    },
    { name: topics.deadLetter, partitions: undefined, config: raw },
  ]
}
