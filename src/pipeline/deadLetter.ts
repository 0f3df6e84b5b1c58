import type { RejectedRow } from '../store/store.js'
import type { Headers } from '../transport/envelope.js'
import type { InMessage, OutMessage } from '../transport/transport.js'
import type { DeadReason, RefusalReason } from './counts.js'

/** Why a message could not be used. */
export interface Refusal {
  readonly kind: RefusalReason
  /** One sentence. */
  readonly reason: string
}

/** Longest text a header carries: an error may quote the whole value it complains about. */
const maxTextLength = 2000
const maxHeaders = 50
/** So much of a value is kept: it fits into a message of the topic even when it does not shrink. */
const maxValueBytes = 1024 * 1024

/** A message that could not be used, as it came, with the reason and where it lies. */
export function deadMessage(
  deadLetter: string,
  from: { topic: string; partition: number },
  { offset, key, headers, value }: InMessage,
  { kind, reason }: Refusal,
): OutMessage {
  const own: Headers = {
    'dead-kind': kind,
    'dead-reason': short(reason),
    'dead-topic': from.topic,
    'dead-partition': String(from.partition),
    'dead-offset': String(offset),
    'dead-value-bytes': String(value.byteLength),
  }
  const kept = Object.entries(headers).slice(0, maxHeaders)
  const shortened = Object.fromEntries(kept.map(([name, text]) => [short(name), short(text)]))
  return {
    topic: deadLetter,
    key: short(key),
    headers: { ...shortened, ...own },
    value: value.subarray(0, maxValueBytes),
  }
}

/** A row that the store refused, as JSON. */
export function deadRow(deadLetter: string, { table, row, run, reason }: RejectedRow): OutMessage {
  const json = Buffer.from(JSON.stringify(row))
  return {
    topic: deadLetter,
    key: row.source,
    headers: {
      'dead-kind': 'refused_row' satisfies DeadReason,
      'dead-reason': short(reason),
      'dead-table': table,
      'dead-run': run,
      'dead-value-bytes': String(json.length),
    },
    value: json.subarray(0, maxValueBytes),
  }
}

function short(text: string): string {
  return text.slice(0, maxTextLength)
}
