import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Generation, GenerationSplitter } from '../../src/gotrace/index.js'
import { capture, captures, cut, read } from './support/events.js'

describe('GenerationSplitter', () => {
  for (const name of captures)
    it(`cuts ${name} into three generations whose bytes are the file, however the bytes come in`, () => {
      const bytes = capture(name)
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (places) => {
          const pieces = split(cut(bytes, places))
          assert.deepEqual(
            pieces.map(({ gen, whole }) => ({ gen, whole })),
            [1, 2, 3].map((gen) => ({ gen, whole: true })),
          )
          assert.ok(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes))
          assert.deepEqual(
            pieces.map((piece) => piece.offsetBytes),
            [0, pieces[0]!.bytes.length, pieces[0]!.bytes.length + pieces[1]!.bytes.length],
          )
        }),
        { numRuns: 10 },
      )
    })

  it('gives a generation out as soon as its end is known', () => {
    const pieces = split([capture('go1.26')])
    const splitter = new GenerationSplitter()
    splitter.push(pieces[0]!.bytes)
    assert.equal(splitter.next()?.gen, 1)
    assert.equal(splitter.next(), undefined)
  })

  it('passes damaged bytes on as pieces that are not whole, so that nothing is lost', () => {
    const bytes = Uint8Array.from(capture('go1.26'))
    const second = split([bytes])[1]!
    bytes.fill(0xee, second.offsetBytes + 1000, second.offsetBytes + 1100)
    bytes[second.offsetBytes] = 0xee
    const pieces = split(cut(bytes, [10_000, 50_000, 100_000]))
    assert.ok(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes))
    assert.deepEqual(
      pieces.filter((piece) => piece.whole).map((piece) => piece.gen),
      [1, 3],
    )
  })

  it('starts the header of a second trace with its first generation', () => {
    const traces = [capture('go1.22'), capture('go1.26')]
    const pieces = split([Buffer.concat(traces)])
    assert.deepEqual(
      pieces.map((piece) => piece.gen),
      [1, 2, 3, 1, 2, 3],
    )
    assert.equal(Buffer.from(pieces[3]!.bytes.subarray(0, 10)).toString(), 'go 1.26 tr')
    assert.deepEqual(read(pieces.slice(3).map((piece) => piece.bytes)).lines, read([traces[1]!]).lines)
  })

  it('hands on input that is no trace', () => {
    const [piece, ...rest] = split([Buffer.from('this is not a trace at all')])
    assert.deepEqual([piece!.whole, piece!.bytes.length, rest.length], [false, 26, 0])
  })
})

function split(chunks: readonly Uint8Array[]): Generation[] {
  const splitter = new GenerationSplitter()
  const pieces: Generation[] = []
  const drain = () => {
    for (let piece = splitter.next(); piece !== undefined; piece = splitter.next()) pieces.push(piece)
  }
  for (const chunk of chunks) {
    splitter.push(chunk)
    drain()
  }
  splitter.end()
  drain()
  return pieces
}
