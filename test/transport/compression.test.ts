import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { maxUnpackedRatio } from '../../src/transport/compression.js'
import { unreadableHeader } from '../../src/transport/unreadable.js'

const { CompressionCodecs, CompressionTypes } = kafkajs
/** What kafkajs declares as any. */
interface Codec {
  compress(of: { buffer: Buffer }): Promise<Buffer>
  decompress(packed: Buffer): Promise<Buffer>
}
const codec = () => (CompressionCodecs[CompressionTypes.GZIP] as () => Codec)()

describe('a batch that travels compressed', () => {
  it('comes out as it went in, also when it is nothing but equal records', async () => {
    const text = gunzipSync(readFileSync('test/captures/stw-netpoll/perf.script.gz'))
    const record = text.subarray(text.length - 400)
    for (const buffer of [text.subarray(0, 1_000_000), Buffer.concat(new Array<Buffer>(2500).fill(record))]) {
      const packed = await codec().compress({ buffer })
      assert.ok(packed.length < buffer.length)
      assert.ok(buffer.equals(await codec().decompress(packed)))
    }
  })

  it('is replaced by the reason when it unpacks to too many times its size', async () => {
    const bomb = gzipSync(Buffer.alloc(8 << 20))
    assert.ok((8 << 20) / bomb.length > maxUnpackedRatio)
    const records = await codec().decompress(bomb)
    assert.ok(records.includes(unreadableHeader))
    assert.ok(records.includes(`it unpacks to more than ${maxUnpackedRatio * bomb.length} bytes`))
    assert.ok(records.includes(bomb))
  })
})
