/**
 * kafkajs fails the whole fetch, for ever, when one batch cannot be unpacked; the batch's number of records and offsets stand outside
 * of what is packed. So a batch that cannot be unpacked is replaced by records that say so, as many as it may have had: the
 * client reads as many of them as it expects. Format of a record: Kafka's protocol guide, "Record Batch".
 */

/** Header of the first record that stands for an unreadable batch: why. Its value is the batch as it came. */
export const unreadableHeader = 'dualtrace-unreadable'
/** Header of the others. */
export const unreadableRestHeader = '~'

/** More records than anybody puts into a batch of 2 MiB, except to do harm. */
const mostRecords = 100_000

export function placeholderRecords(packed: Uint8Array, reason: string): Buffer {
  const records = [record(0, [[unreadableHeader, reason]], packed)]
  for (let delta = 1; delta < mostRecords; delta++) records.push(record(delta, [[unreadableRestHeader, '']], undefined))
  return Buffer.concat(records)
}

function record(
  offsetDelta: number,
  headers: readonly (readonly [string, string])[],
  value: Uint8Array | undefined,
): Buffer {
  const fields = headers.flatMap(([name, text]) => [...sized(Buffer.from(name)), ...sized(Buffer.from(text))])
  const noKey = varint(-1)
  const noAttributes = Buffer.of(0)
  const body = [noAttributes, varint(0), varint(offsetDelta), noKey, ...sized(value), varint(headers.length), ...fields]
  const sizeBytes = body.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat([varint(sizeBytes), ...body])
}

function sized(bytes: Uint8Array | undefined): Uint8Array[] {
  return bytes === undefined ? [varint(-1)] : [varint(bytes.length), bytes]
}

/** Zigzag, seven bits a byte, low ones first. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}
