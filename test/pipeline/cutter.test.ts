import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { type CutPiece, cutterFor } from '../../src/pipeline/cutter.js'
import { TrackIntake } from '../../src/pipeline/intake.js'
import { packageRoot } from '../../src/stack/paths.js'
import type { Track } from '../../src/transport/envelope.js'

const captures = join(packageRoot(), 'test/captures')
const inputs: Record<Track, Buffer> = {
  gotrace: readFileSync(join(captures, 'gotrace/go1.26.trace')),
  perf: gunzipSync(readFileSync(join(captures, 'stw-netpoll/perf.script.gz'))).subarray(0, 300_000),
}

function cut(track: Track, chunkBytes: number, messageBytes: number): CutPiece[] {
  const cutter = cutterFor(track, messageBytes)
  const pieces: CutPiece[] = []
  for (let from = 0; from < inputs[track].length; from += chunkBytes)
    for (const piece of cutter.push(inputs[track].subarray(from, from + chunkBytes)))
      pieces.push({ ...piece, bytes: Uint8Array.from(piece.bytes) })
  return [...pieces, ...cutter.end()]
}

describe('the cutter of a track into messages', () => {
  const chunkBytes = fc.integer({ min: 1000, max: 100_000 })
  const messageBytes = fc.integer({ min: 500, max: 100_000 })

  for (const track of ['gotrace', 'perf'] as const)
    it(`loses nothing of ${track}, and no message is too large`, () => {
      fc.assert(
        fc.property(chunkBytes, messageBytes, (chunk, message) => {
          const pieces = cut(track, chunk, message)
          assert.ok(pieces.every(({ bytes }) => bytes.length > 0 && bytes.length <= message))
          const intake = new TrackIntake(track)
          const fed = pieces.flatMap((piece, offset) => intake.accept({ ...piece, offset: BigInt(offset), end: false }))
          assert.deepEqual(Buffer.concat(fed.map((one) => one.bytes)), inputs[track])
        }),
        { numRuns: 20 },
      )
    })

  it('cuts perf text where a record begins', () => {
    for (const { bytes } of cut('perf', 65_536, 20_000).slice(1))
      assert.match(Buffer.from(bytes.subarray(0, 200)).toString().split('\n')[0]!, / \d+\.\d{9}: /)
  })

  it('marks the first and the last piece of every generation', () => {
    const pieces = cut('gotrace', 65_536, 20_000)
    const numbers = [...new Set(pieces.map(({ generation }) => generation))]
    assert.ok(numbers.length > 1)
    for (const number of numbers) {
      const own = pieces.filter(({ generation }) => generation === number)
      const marks = own.map(({ sequence, last }) => ({ sequence, last }))
      assert.deepEqual(
        marks,
        own.map((_, at) => ({ sequence: at, last: at === own.length - 1 })),
      )
    }
  })
})
