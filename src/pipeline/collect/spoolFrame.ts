import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { OutMessage } from '../../transport/transport.js'

/** Size of what follows the two numbers, and its CRC-32. */
const prefixBytes = 8
/** Size of the JSON that the body begins with. */
const metaSizeBytes = 4
/** Every frame has it behind these numbers: where it stands behind damage, the next one may begin. */
const metaBegin = '{"topic":'
/** Larger than any message of ours: a frame that claims more is damage. */
const maxFrameBytes = 64 << 20
const readBytes = 1 << 20

const Meta = z.object({
  topic: z.string(),
  key: z.string(),
  headers: z.record(z.string(), z.string()),
})

/** What was read of a file. */
export interface ReadFrames {
  readonly messages: OutMessage[]
  /** Where the next frame begins. */
  readonly endAt: number
  /** Bytes passed over because they are no whole frame: a process died while it wrote, or the disk changed them. */
  readonly damagedBytes: number
}

/** One message as it lies on disk: sizes and checksum, what it is as JSON, and its value. */
export function frameOf({ topic, key, headers, value }: OutMessage): Buffer {
  const meta = Buffer.from(JSON.stringify({ topic, key, headers }))
  const body = Buffer.concat([Buffer.alloc(metaSizeBytes), meta, value ?? new Uint8Array(0)])
  body.writeUInt32LE(meta.length, 0)
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt32LE(body.length, 0)
  prefix.writeUInt32LE(crc32(body), 4)
  return Buffer.concat([prefix, body])
}

/** Reads whole frames between two positions until they have `wantedBytes`; after damage it goes on with the next whole frame. */
export async function readFrames(
  path: string,
  from: number,
  untilAt: number,
  wantedBytes: number,
): Promise<ReadFrames> {
  const messages: OutMessage[] = []
  let endAt = from
  let sizeBytes = 0
  let damagedBytes = 0
  const file = await open(path, 'r')
  try {
    const window = new Window(file, untilAt)
    while (sizeBytes < wantedBytes && endAt < untilAt) {
      const frame = await frameAt(window, endAt)
      if (frame === undefined) {
        const nextAt = await possibleStart(window, endAt + 1)
        damagedBytes += nextAt - endAt
        endAt = nextAt
        continue
      }
      messages.push(frame.message)
      sizeBytes += frame.sizeBytes
      endAt += frame.sizeBytes
    }
    return { messages, endAt, damagedBytes }
  } finally {
    await file.close()
  }
}

/** A file up to `endAt`, read a stretch at a time. What it has handed out stays as it is. */
class Window {
  private bytes = Buffer.alloc(0)
  private startAt = 0

  constructor(
    private readonly file: FileHandle,
    readonly endAt: number,
  ) {}

  /** So many bytes from there on; fewer when the file ends before. */
  async read(at: number, sizeBytes: number): Promise<Buffer> {
    if (at < this.startAt || at + sizeBytes > this.startAt + this.bytes.length) {
      const chunk = Buffer.alloc(Math.min(Math.max(readBytes, sizeBytes), this.endAt - at))
      let done = 0
      for (let bytesRead = -1; bytesRead !== 0 && done < chunk.length; done += bytesRead)
        ({ bytesRead } = await this.file.read(chunk, done, chunk.length - done, at + done))
      this.bytes = chunk.subarray(0, done)
      this.startAt = at
    }
    return this.bytes.subarray(at - this.startAt, at - this.startAt + sizeBytes)
  }
}

/** The frame that begins there; undefined when there is no whole one. */
async function frameAt(window: Window, at: number): Promise<{ message: OutMessage; sizeBytes: number } | undefined> {
  const prefix = await window.read(at, prefixBytes)
  if (prefix.length < prefixBytes) return undefined
  const sizeBytes = prefixBytes + prefix.readUInt32LE(0)
  if (sizeBytes > Math.min(maxFrameBytes, window.endAt - at)) return undefined
  const frame = await window.read(at, sizeBytes)
  if (frame.length < sizeBytes) return undefined
  const message = parseBody(frame.subarray(prefixBytes), prefix.readUInt32LE(4))
  return message && { message, sizeBytes }
}

function parseBody(body: Buffer, checksum: number): OutMessage | undefined {
  if (body.length < metaSizeBytes || crc32(body) !== checksum) return undefined
  const metaEnd = metaSizeBytes + body.readUInt32LE(0)
  try {
    const meta = Meta.parse(JSON.parse(body.toString('utf8', metaSizeBytes, metaEnd)))
    return { ...meta, value: body.subarray(metaEnd) }
  } catch {
    // As it was written, but not by us.
    return undefined
  }
}

/** The first position from there on at which a frame may begin; the end when there is none. */
async function possibleStart(window: Window, from: number): Promise<number> {
  const leading = prefixBytes + metaSizeBytes
  for (let at = from; at < window.endAt;) {
    const bytes = await window.read(at, readBytes)
    const found = bytes.indexOf(metaBegin, leading)
    if (found >= 0) return at + found - leading
    if (bytes.length < readBytes) break
    at += bytes.length - leading - metaBegin.length
  }
  return window.endAt
}
