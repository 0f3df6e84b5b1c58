import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import kafkajs from 'kafkajs'
import { maxCheckpointBytes } from './topics.js'
import { placeholderRecords } from './unreadable.js'
import { wireBytes } from './wireBytes.js'

/** Of checkpoints; the raw tracks come packed (packing.ts). */
const gzipLevel = 1
/** A batch, packed, comes in few pieces. */
const gzipChunkBytes = 1 << 16

/** Most bytes one compressed batch may unpack to: a checkpoint with its headers is the largest thing anybody sends. */
export const maxUnpackedBytes = maxCheckpointBytes + 1024 * 1024
/**
 * … and how many times what is packed: all batches of one answer are unpacked at the same time, and there may be many small ones. Text of perf shrinks to
 * a tenth, of nothing but equal stacks to a hundredth; gzip can do a thousandth.
 */
export const maxUnpackedRatio = 256

const { CompressionTypes, CompressionCodecs } = kafkajs

CompressionCodecs[CompressionTypes.GZIP] = () => ({ compress, decompress })
CompressionCodecs[CompressionTypes.Snappy] = () => unsupported('Snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => unsupported('LZ4')
CompressionCodecs[CompressionTypes.ZSTD] = () => unsupported('ZSTD')

function unsupported(name: string) {
  const reason = `it is compressed with ${name}, which no collector of dualtrace does`
  return {
    compress: () => Promise.reject(new Error(`${name} is not supported`)),
    decompress: (packed: Buffer) => Promise.resolve(placeholderRecords(packed, reason)),
  }
}

async function compress({ buffer }: { buffer: Buffer }): Promise<Buffer> {
  const packed = await promisify(gzip)(buffer, { level: gzipLevel, chunkSize: gzipChunkBytes })
  wireBytes.sentBytes += buffer.length
  wireBytes.sentPackedBytes += packed.length
  return packed
}

/** A batch that cannot be unpacked must not stop the partition: what stands for it is refused one level up, with the reason. */
async function decompress(packed: Buffer): Promise<Buffer> {
  const maxOutputLength = Math.min(maxUnpackedBytes, maxUnpackedRatio * packed.length)
  try {
    const buffer = await promisify(gunzip)(packed, { maxOutputLength })
    wireBytes.receivedPackedBytes += packed.length
    wireBytes.receivedBytes += buffer.length
    return buffer
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const tooLarge = code === 'ERR_BUFFER_TOO_LARGE'
    return placeholderRecords(
      packed,
      tooLarge ? `it unpacks to more than ${maxOutputLength} bytes` : `it cannot be unpacked: ${message}`,
    )
  }
}
