import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Headers } from './envelope.js'
import { maxValueBytes } from './topics.js'
import type { InMessage, OutMessage } from './transport.js'
import { wireBytes } from './wireBytes.js'

/**
 * Values of the raw tracks are compressed one by one, where they are made: what waits in memory, on a disk and in Kafka's client is a tenth of
 * what was recorded, and is not copied about unpacked. The header says so; it never reaches those who read.
 */
const encodingHeader = 'encoding'
const gzipEncoding = 'gzip'

/** As fast as the first level, and an eighth smaller; the fourth takes nearly twice as long. Measured on perf's text. */
const gzipLevel = 3
/** A packed value comes in few pieces. */
const gzipChunkBytes = 1 << 16
/** gzip's last four bytes: how long it is unpacked, modulo 2³². Not to be trusted. */
const trailerBytes = 4
/** zlib looks for room behind the last byte before it says that it is done. */
const roomBytes = 64

/** The value of any number of messages, compressed; it is not the caller's bytes. */
export function pack(value: Uint8Array): Promise<Buffer> {
  return promisify(gzip)(value, { level: gzipLevel, chunkSize: gzipChunkBytes })
}

/** What the headers of a message say whose value was packed. */
export const packedHeaders: Headers = { [encodingHeader]: gzipEncoding }

export function isPacked({ headers }: Pick<OutMessage, 'headers'>): boolean {
  return headers[encodingHeader] === gzipEncoding
}

/** Bytes of the value as it was recorded. */
export function recordedBytes(message: OutMessage): number {
  const { value } = message
  if (value === null) return 0
  return isPacked(message) ? statedBytes(value) : value.length
}

function statedBytes(packed: Uint8Array): number {
  if (packed.length < trailerBytes) return 0
  return new DataView(packed.buffer, packed.byteOffset, packed.byteLength).getUint32(packed.length - trailerBytes, true)
}

/** The message as it was before it was packed; `unreadable` when that cannot be done. Never more than a value may have. */
export async function unpack(message: InMessage): Promise<InMessage> {
  const { [encodingHeader]: encoding, ...headers } = message.headers
  if (encoding === undefined || message.unreadable !== undefined) return message
  if (encoding !== gzipEncoding) {
    const name = JSON.stringify(encoding.slice(0, 20))
    return { ...message, unreadable: `its value is encoded as ${name}; only gzip is known` }
  }
  try {
    // In one piece, and one of that size: it may wait for long.
    const chunkSize = Math.min(statedBytes(message.value), maxValueBytes) + roomBytes
    const value = await promisify(gunzip)(message.value, { maxOutputLength: maxValueBytes, chunkSize })
    wireBytes.receivedPackedBytes += message.value.length
    wireBytes.receivedBytes += value.length
    return { ...message, headers, value }
  } catch (error) {
    const { code, message: reason } = error as NodeJS.ErrnoException
    const tooLarge = code === 'ERR_BUFFER_TOO_LARGE'
    const unreadable = tooLarge ? `it unpacks to more than ${maxValueBytes} bytes` : `it cannot be unpacked: ${reason}`
    return { ...message, unreadable }
  }
}
