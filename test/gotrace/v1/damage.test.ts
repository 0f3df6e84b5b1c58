import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { cut, names, read } from '../support/events.js'

const small = readFileSync('test/captures/gotrace/go1.11.trace')

describe('a trace of Go 1.21 or older that is not whole', () => {
  it('is found out wherever it was cut off, by the clock or by the stacks that are missing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 17, max: small.length - 1 }), (size) => {
        assert.deepEqual(names(read([small.subarray(0, size)]).reader), ['truncated'])
      }),
      { numRuns: 200 },
    )
  })

  it('never makes the reader throw or hang, however its bytes are changed and cut', () => {
    const change = fc.tuple(fc.integer({ min: 16, max: small.length - 1 }), fc.nat(255))
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (changes, places) => {
          const changed = Uint8Array.from(small)
          for (const [at, value] of changes) changed[at] = value
          const { lines, reader } = read([changed], {}, true)
          for (const { detail, offsetBytes } of reader.problems) {
            assert.ok(offsetBytes >= 0 && offsetBytes <= small.length)
            assert.ok(detail.length > 10)
          }
          assert.deepEqual(read(cut(changed, places), {}, true).lines, lines)
        },
      ),
      { numRuns: 300, seed: 7 },
    )
  })

  it('never makes the reader throw or hang when pieces of it are lost, doubled or moved', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(3000)), { minLength: 1, maxLength: 8 }), (pieces) => {
        const parts = pieces.map(([at, size]) => small.subarray(16 + (at % (small.length - 16))).subarray(0, size))
        const { reader } = read([Buffer.concat([small.subarray(0, 16), ...parts, small.subarray(small.length - 3000)])])
        assert.ok(reader.problems.length <= 100)
      }),
      { numRuns: 300, seed: 8 },
    )
  })

  it('stops at the first problem when strict', () => {
    const damaged = Uint8Array.from(small)
    damaged[small.length >> 1] = 0xff
    const { lines, reader } = read([Buffer.concat([damaged, small])], { strict: true })
    assert.deepEqual([reader.problems.length, lines.length], [1, 0])
  })
})
