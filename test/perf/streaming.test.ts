import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PerfScriptReader } from '../../src/perf/index.js'
import { drain, fixture, fixtureNames, read, snapshot } from './support.js'

const newline = 10

function* fixtures(): Generator<readonly [string, Buffer]> {
  for (const name of fixtureNames) yield [name, fixture(name)]
}

/** Several fixtures one after the other, as a stream may hold. */
const joined = Buffer.concat([
  fixture('header-and-stacks'),
  fixture('mixed-call-graph'),
  fixture('unreadable-lines'),
  fixture('frames'),
])

describe('perf script streaming', () => {
  it('reads the same records from any chunking', () => {
    const whole = read(joined)
    const cuts = fc.array(fc.integer({ min: 0, max: joined.length }), { maxLength: 40 })
    fc.assert(
      fc.property(cuts, (positions) => {
        const cut = read(
          joined,
          positions.sort((a, b) => a - b),
        )
        assert.deepEqual(cut.records, whole.records)
        assert.deepEqual(cut.reader.problems, whole.reader.problems)
        assert.deepEqual(cut.reader.header, whole.reader.header)
      }),
      { numRuns: 60, seed: 1 },
    )
  })

  it('reads the same records byte by byte', () => {
    for (const [name, bytes] of fixtures()) {
      const cuts = Array.from(bytes, (_, at) => at)
      assert.deepEqual(read(bytes, cuts).records, read(bytes).records, name)
    }
  })

  it('reads text with CRLF as text with LF', () => {
    const fields = (records: Record<string, unknown>[]) =>
      records.map((record) => ({ ...record, offsetBytes: 0, bytes: 0 }))
    for (const [name, bytes] of fixtures()) {
      const crlf = Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
      assert.deepEqual(fields(read(crlf).records), fields(read(bytes).records), name)
    }
  })

  it('delivers the last record of text without a final newline or blank line', () => {
    for (const [name, bytes] of fixtures()) {
      let end = bytes.length
      while (bytes[end - 1] === newline) end--
      const cut = read(bytes.subarray(0, end))
      assert.equal(cut.records.length, read(bytes).records.length, name)
      assert.equal(cut.reader.consumedBytes, end, name)
    }
  })

  it('covers every byte of well-formed text with records', () => {
    const { records, reader } = read(fixture('mixed-call-graph'))
    let at = 0
    for (const record of records) {
      assert.equal(record['offsetBytes'], at)
      at += record['bytes'] as number
    }
    assert.equal(at, reader.consumedBytes)
  })

  it('goes on from a state saved at any point', () => {
    const whole = read(joined)
    for (let cut = 0; cut <= joined.length; cut += 97) {
      const first = new PerfScriptReader()
      first.push(joined.subarray(0, cut))
      const records = drain(first)
      const state = structuredClone(first.save())
      assert.ok(state.consumedBytes <= cut)
      const second = PerfScriptReader.restore(state)
      second.push(joined.subarray(state.consumedBytes))
      second.end()
      records.push(...drain(second))
      assert.deepEqual(records, whole.records)
      assert.deepEqual(second.problems, whole.reader.problems)
      assert.deepEqual(second.problemCounts, whole.reader.problemCounts)
      assert.deepEqual(second.header, whole.reader.header)
    }
  })

  it('goes on from a state saved after each record', () => {
    const whole = read(joined)
    const reader = new PerfScriptReader()
    reader.push(joined)
    let delivered = 0
    while (reader.next()) {
      delivered++
      const restored = PerfScriptReader.restore(reader.save())
      restored.push(joined.subarray(restored.consumedBytes))
      restored.end()
      const next = restored.next() ? snapshot(restored) : undefined
      assert.deepEqual(next, whole.records[delivered])
    }
  })

  it('never throws on and always ends with damaged text', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(3)), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(fc.constantFrom(...fixtureNames), damage, (name, changes) => {
        let bytes: Buffer = Buffer.from(fixture(name))
        for (const [where, value, how] of changes) {
          const at = where % (bytes.length + 1)
          if (how === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + (value % 40))])
          else if (how === 1) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([value]), bytes.subarray(at)])
          else if (at < bytes.length) bytes[at] = value
        }
        const { reader, records } = read(bytes, [bytes.length >> 1])
        assert.equal(reader.consumedBytes, bytes.length)
        assert.ok(records.length <= bytes.length)
      }),
      { numRuns: 400, seed: 2 },
    )
  })
})
