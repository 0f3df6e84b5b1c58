import { decodeEnvelope, isFutureSchema, type Track } from '../transport/envelope.js'
import { maxValueBytes } from '../transport/topics.js'
import type { InMessage } from '../transport/transport.js'
import type { Counts } from './counts.js'
import type { Refusal } from './deadLetter.js'
import { monotonicMs } from './monotonic.js'
import type { Partition } from './partition.js'

/** Gives a message of a raw topic to its partition. @returns why it is of no use. */
export function receive(partition: Partition, track: Track, message: InMessage, counts: Counts): Refusal | undefined {
  const { headers, value, unreadable } = message
  counts.messages[track]++
  counts.bytes[track] += value.byteLength
  if (unreadable !== undefined) return { kind: 'unreadable', reason: unreadable }
  if (value.byteLength > maxValueBytes)
    return { kind: 'too_large', reason: `its value has ${value.byteLength} bytes; at most ${maxValueBytes} are taken` }
  const envelope = decodeEnvelope(headers)
  if (typeof envelope === 'string')
    return { kind: isFutureSchema(headers) ? 'future_schema' : 'malformed', reason: envelope }
  if (envelope.track !== track) {
    const reason = `it says it is of track ${envelope.track}, and lies in the topic of ${track}`
    return { kind: 'wrong_topic', reason }
  }
  if (envelope.shippedAtMs !== undefined) counts.delayMs[track] = Math.max(0, Date.now() - envelope.shippedAtMs)
  try {
    partition.accept(envelope, message, monotonicMs())
    return undefined
  } catch (error) {
    // One source must not hold up the others: the rest of its run is left out until a better program reads it again.
    partition.abandon(envelope)
    const reason = `the analysis of ${envelope.source} failed: ${(error as Error).stack ?? String(error)}`
    return { kind: 'failed_analysis', reason }
  }
}
