import assert from 'node:assert/strict'
import fc from 'fast-check'
import { GenerationSplitter } from '../../src/gotrace/index.js'
import { capture, captures, names, read, withoutLastSync } from './support/events.js'

describe('a trace that is not whole', () => {
  for (const name of captures)
    it(`gives the whole generations of a truncated ${name} and says so`, () => {
      const bytes = capture(name)
      const whole = read([bytes]).lines
      const ends = generationEnds(bytes)
      fc.assert(
        fc.property(fc.integer({ min: 17, max: bytes.length - 1 }), (size) => {
          const { lines, reader } = read([bytes.subarray(0, size)])
          const good = withoutLastSync(lines)
          // Before Go 1.26 nothing tells a generation cut off right behind its first batch from one in which nothing happened.
          const isBare = / Sync /.test(good.at(-1) ?? '')
          // A generation begins with the earliest of its batches, and of a bare one the others are gone.
          const comparable = isBare ? withoutLastSync(good) : good
          assert.deepEqual(comparable, whole.slice(0, comparable.length))
          assert.equal(reader.generationsRead, ends.filter((end) => end <= size).length + (isBare ? 1 : 0))
          if (isBare) assert.notEqual(name, 'go1.26')
          else assert.equal(names(reader).includes('truncated'), !ends.includes(size))
        }),
        { numRuns: 60 },
      )
    })

  it('is read on behind the damaged generation', () => {
    for (const name of captures) {
      const bytes = Uint8Array.from(capture(name))
      const [first, second] = generationEnds(bytes) as [number, number]
      const whole = read([bytes]).lines
      // The header of the second generation's first batch.
      bytes[first] = 0xee
      const { lines, reader } = read([bytes])
      assert.deepEqual(names(reader), ['bad_batch'], name)
      assert.equal(reader.problems[0]!.offsetBytes, first)
      assert.equal(reader.generationsRead, 2)
      const third = read([bytes.subarray(0, 16), capture(name).subarray(second)]).lines
      const firstLines = whole.slice(0, withoutLastSync(read([bytes.subarray(0, first)]).lines).length)
      // The number of the Sync apart, the third generation reads as if the trace began with it.
      const plain = (list: readonly string[]) => list.map((line) => line.replace(/ N=\d+/, ''))
      assert.deepEqual(plain(lines), plain([...firstLines, ...third]), name)
    }
  })

  it('is refused with a reason when single bytes are wrong, and never throws or hangs', () => {
    const bytes = capture('go1.26')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 30 }),
        (changes) => {
          const changed = Uint8Array.from(bytes)
          for (const [at, value] of changes) changed[at] = value
          const { reader } = read([changed])
          for (const { detail, offsetBytes } of reader.problems) {
            assert.ok(offsetBytes >= 0 && offsetBytes <= bytes.length)
            assert.ok(detail.length > 10)
          }
        },
      ),
      { numRuns: 40, seed: 1 },
    )
  })

  it('stops at the first problem when strict', () => {
    const bytes = Uint8Array.from(capture('go1.25'))
    bytes[generationEnds(bytes)[0]!] = 0xee
    const { reader } = read([bytes], { strict: true })
    assert.equal(reader.generationsRead, 1)
    assert.equal(reader.problems.length, 1)
  })

  it('that lacks a generation is read on behind the gap with new states', () => {
    for (const name of captures) {
      const bytes = capture(name)
      const [first, second] = generationEnds(bytes) as [number, number]
      const { reader } = read([bytes.subarray(0, first), bytes.subarray(second)])
      assert.deepEqual(names(reader), ['missing_generation'])
      assert.equal(reader.problems[0]!.detail, 'generation 2 is missing')
      assert.equal(reader.generationsRead, 2)
    }
  })
})

describe('input that cannot be read', () => {
  const cases: readonly (readonly [title: string, bytes: Uint8Array, name: string, detail: RegExp])[] = [
    ['nothing at all', new Uint8Array(0), 'not_a_trace', /input is empty/],
    ['a few bytes', Buffer.from('go 1.2'), 'not_a_trace', /only 6 bytes/],
    ['text', Buffer.from('service 1234 [000] 12.345678: cpu-clock:'), 'not_a_trace', /does not begin with the header/],
    ['a version nobody knows', Buffer.from('go 1.99 trace\0\0\0'), 'unsupported_version', /"go 1\.99".*does not know/],
    [
      'a version older than all',
      Buffer.from('go 1.10 trace\0\0\0'),
      'unsupported_version',
      /"go 1\.10".*Go 1\.10 or older/,
    ],
    ['an old header alone', Buffer.from('go 1.19 trace\0\0\0'), 'truncated', /cut off/],
    ['a header alone', Buffer.from('go 1.26 trace\0\0\0'), 'truncated', /ends before its first generation/],
  ]
  for (const [title, bytes, name, detail] of cases)
    it(`${title} gets one sentence and no events`, () => {
      const { lines, reader } = read([bytes])
      assert.deepEqual(lines, [])
      assert.deepEqual(names(reader), [name])
      assert.match(reader.problems[0]!.detail, detail)
    })
})

describe('traces one after the other', () => {
  it('read as each of them alone', () => {
    const traces = captures.map(capture)
    const { lines, reader } = read([Buffer.concat(traces)])
    assert.deepEqual(reader.problems, [])
    assert.deepEqual(
      lines,
      traces.flatMap((bytes) => read([bytes]).lines),
    )
    assert.equal(reader.traceIndex, 3)
    assert.equal(reader.version, '1.26')
  })
})

function generationEnds(bytes: Uint8Array): number[] {
  const splitter = new GenerationSplitter()
  splitter.push(bytes)
  splitter.end()
  const ends: number[] = []
  for (let piece = splitter.next(); piece !== undefined; piece = splitter.next())
    ends.push(piece.offsetBytes + piece.bytes.length)
  return ends
}
