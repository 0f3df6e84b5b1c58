import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ByteTable } from '../../src/perf/byteTable.js'
import { slackBytes, viewOf } from '../../src/perf/bytes.js'
import { SequenceTable } from '../../src/perf/sequenceTable.js'
import { PairTable } from '../../src/stacks/pairTable.js'

function sourceOf(bytes: Uint8Array) {
  const padded = Buffer.concat([bytes, Buffer.alloc(slackBytes)])
  return { bytes: padded, view: viewOf(padded) }
}

/** Bytes that make doubles which equal others, or not even themselves. */
const oddByte = fc.constantFrom(0, 0x0a, 0x41, 0x7f, 0x80, 0xf0, 0xff)
const oddText = fc.uint8Array({ minLength: 1, maxLength: 33 }).map((bytes) => Buffer.from(bytes))
const oddTexts = fc.array(
  fc.oneof(
    fc.array(oddByte, { minLength: 1, maxLength: 33 }).map((b) => Buffer.from(b)),
    oddText,
  ),
)

describe('byte table', () => {
  it('gives equal texts the same number and keeps different ones apart, whatever their bytes', () => {
    fc.assert(
      fc.property(oddTexts, (texts) => {
        const table = new ByteTable()
        const ids = new Map<string, number>()
        for (const text of texts) {
          const key = text.toString('latin1')
          const id = table.intern(sourceOf(text), 0, text.length)
          assert.equal(id, ids.get(key) ?? ids.size)
          ids.set(key, id)
        }
        assert.equal(table.size, ids.size)
      }),
    )
  })

  it('recognises a text only where exactly that stands', () => {
    fc.assert(
      fc.property(oddTexts, (texts) => {
        const table = new ByteTable()
        const ids = texts.map((text) => table.intern(sourceOf(text), 0, text.length))
        for (const text of texts) {
          const { view } = sourceOf(text)
          for (const [i, id] of ids.entries()) {
            const behind = table.matchEnd(id, view, 0, text.length)
            if (behind !== 0) assert.deepEqual(text.subarray(0, behind), texts[i])
          }
        }
      }),
    )
  })

  it('recognises every printable text', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 100 }), (text) => {
        const bytes = Buffer.from(`${text}\n`)
        const table = new ByteTable()
        const source = sourceOf(bytes)
        assert.equal(table.matchEnd(table.intern(source, 0, bytes.length), source.view, 0, bytes.length), bytes.length)
      }),
    )
  })
})

describe('sequence table', () => {
  it('numbers distinct sequences from 1 on and gives each back', () => {
    const small = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(small, { maxLength: 400 }), (sequences) => {
        const table = new SequenceTable()
        const ids = new Map([['', 0]])
        for (const sequence of sequences) {
          const id = table.intern(Int32Array.from(sequence), sequence.length)
          assert.equal(id, ids.get(sequence.join()) ?? ids.size)
          ids.set(sequence.join(), id)
        }
        for (const [text, id] of ids) assert.equal(table.sequence(id).join(), text)
      }),
    )
  })
})

describe('pair table', () => {
  it('numbers distinct pairs from 1 on and gives each back', () => {
    const pair = fc.tuple(fc.nat(60), fc.nat(60))
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 3000 }), (pairs) => {
        const table = new PairTable()
        const rows = new Map<string, number>()
        for (const [first, second] of pairs) {
          const row = table.row(first, second)
          assert.equal(row, rows.get(`${first},${second}`) ?? rows.size + 1)
          rows.set(`${first},${second}`, row)
        }
        for (const [text, row] of rows) assert.equal(`${table.firstOf(row)},${table.secondOf(row)}`, text)
      }),
    )
  })
})
