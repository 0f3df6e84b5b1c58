import type { Headers } from '../transport/envelope.js'
import type { InMessage, OutMessage } from '../transport/transport.js'
import type { RejectedRow } from '../store/store.js'

/** Longest text a header carries: an error may quote the whole value it complains about. */
const maxReasonLength = 2000

/** A message that could not be used, as it came, with the reason and where it lies. */
export function deadMessage(
  deadLetter: string,
  from: { topic: string; partition: number },
  { offset, key, headers, value }: InMessage,
  reason: string,
): OutMessage {
  const own: Headers = {
    'dead-reason': reason.slice(0, maxReasonLength),
    'dead-topic': from.topic,
    'dead-partition': String(from.partition),
    'dead-offset': String(offset),
  }
  return { topic: deadLetter, key, headers: { ...headers, ...own }, value }
}

/** A row that the store refused, as JSON. */
export function deadRow(deadLetter: string, { table, row, reason }: RejectedRow): OutMessage {
  return {
    topic: deadLetter,
    key: row.source,
    headers: { 'dead-reason': reason.slice(0, maxReasonLength), 'dead-table': table },
    value: Buffer.from(JSON.stringify(row)),
  }
}
