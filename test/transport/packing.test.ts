import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { isPacked, pack, packedHeaders, recordedBytes, unpack } from '../../src/transport/packing.js'
import { maxValueBytes } from '../../src/transport/topics.js'

const arrived = (value: Uint8Array, headers = packedHeaders) => ({ offset: 7n, key: 'a/b', headers, value })

describe('a value that travels packed', () => {
  it('comes out as it went in, without the header that says so', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.nat(40), async (part, times) => {
        const value = Buffer.concat(new Array<Uint8Array>(times).fill(part))
        const message = {
          topic: 'perf.raw',
          key: 'a/b',
          headers: { schema: '1', ...packedHeaders },
          value: await pack(value),
        }
        assert.equal(recordedBytes(message), value.length)
        const read = await unpack(arrived(message.value, message.headers))
        assert.deepEqual(read, { ...arrived(value), headers: { schema: '1' } })
        assert.ok(!isPacked(read))
      }),
    )
  })

  it('is what it is when nothing says that it is packed', async () => {
    const plain = arrived(gzipSync('text'), {})
    assert.equal(await unpack(plain), plain)
    assert.equal(recordedBytes({ topic: 't', ...plain }), plain.value.length)
  })

  const refused: readonly [string, Uint8Array, Record<string, string>, RegExp][] = [
    [
      'unpacks to more than a value may have',
      gzipSync(Buffer.alloc(maxValueBytes + 1)),
      packedHeaders,
      /unpacks to more than 2097152 bytes/,
    ],
    [
      'lies about how long it is',
      lying(gzipSync(Buffer.alloc(64 << 20))),
      packedHeaders,
      /unpacks to more than 2097152 bytes/,
    ],
    ['is cut off', gzipSync('a text').subarray(0, 12), packedHeaders, /cannot be unpacked: unexpected end of file/],
    ['is something else', Buffer.from('PERF_RECORD'), packedHeaders, /cannot be unpacked: incorrect header check/],
    [
      'is packed in a way that nobody knows yet',
      Buffer.from('x'),
      { encoding: 'zstd' },
      /encoded as "zstd"; only gzip is known/,
    ],
  ]
  for (const [what, value, headers, reason] of refused)
    it(`is refused with a reason, and kept as it came, when it ${what}`, async () => {
      const message = arrived(value, headers)
      const { unreadable, ...rest } = await unpack(message)
      assert.deepEqual(rest, message)
      assert.match(unreadable!, reason)
    })
})

function lying(packed: Buffer): Buffer {
  packed.writeUInt32LE(10, packed.length - 4)
  return packed
}
