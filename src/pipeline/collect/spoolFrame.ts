import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { OutMessage } from '../../transport/transport.js'

/** Size of what follows the two numbers, and its CRC-32. */
const prefixBytes = 8
/** Larger than any message of ours: a frame that claims more is damage. */
const maxFrameBytes = 64 << 20
const readBytes = 1 << 20

const Meta = z.object({
  topic: z.string(),
  key: z.string(),
  headers: z.record(z.string(), z.string()),
})

/** What lies behind the last whole frame of a file: a process died while it wrote. */
export interface UnreadableTail {
  readonly sizeBytes: number
}

/** One message as it lies on disk: sizes and checksum, what it is as JSON, and its value. */
export function frameOf({ topic, key, headers, value }: OutMessage): Buffer {
  const meta = Buffer.from(JSON.stringify({ topic, key, headers }))
  const body = Buffer.concat([Buffer.alloc(4), meta, value ?? new Uint8Array(0)])
  body.writeUInt32LE(meta.length, 0)
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt32LE(body.length, 0)
  prefix.writeUInt32LE(crc32(body), 4)
  return Buffer.concat([prefix, body])
}

/** Reads whole frames from a position on until their values hold `wantedBytes`, or the file ends. */
export async function readFrames(
  path: string,
  from: number,
  wantedBytes: number,
): Promise<{ messages: OutMessage[]; endAt: number; tail: UnreadableTail | undefined }> {
  const messages: OutMessage[] = []
  let endAt = from
  let valueBytes = 0
  let bytes = Buffer.alloc(0)
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    while (valueBytes < wantedBytes && endAt < size) {
      const needed = neededBytes(bytes)
      if (needed === undefined) return { messages, endAt, tail: { sizeBytes: size - endAt } }
      if (bytes.length < needed) {
        const chunk = Buffer.alloc(Math.max(readBytes, needed - bytes.length))
        const { bytesRead } = await file.read(chunk, 0, chunk.length, endAt + bytes.length)
        if (bytesRead === 0) return { messages, endAt, tail: { sizeBytes: size - endAt } }
        bytes = Buffer.concat([bytes, chunk.subarray(0, bytesRead)])
        continue
      }
      const message = parseBody(bytes.subarray(prefixBytes, needed), bytes.readUInt32LE(4))
      if (message === undefined) return { messages, endAt, tail: { sizeBytes: size - endAt } }
      messages.push(message)
      valueBytes += message.value?.byteLength ?? 0
      endAt += needed
      bytes = bytes.subarray(needed)
    }
    return { messages, endAt, tail: undefined }
  } finally {
    await file.close()
  }
}

/** Bytes needed to go on: of the prefix, then of the whole frame; undefined when this is no frame. */
function neededBytes(bytes: Buffer): number | undefined {
  if (bytes.length < prefixBytes) return prefixBytes
  const bodyBytes = bytes.readUInt32LE(0)
  return bodyBytes > maxFrameBytes || bodyBytes < 4 ? undefined : prefixBytes + bodyBytes
}

function parseBody(body: Buffer, checksum: number): OutMessage | undefined {
  if (crc32(body) !== checksum) return undefined
  const metaEnd = 4 + body.readUInt32LE(0)
  const meta = Meta.parse(JSON.parse(body.toString('utf8', 4, metaEnd)))
  return { ...meta, value: body.subarray(metaEnd) }
}
