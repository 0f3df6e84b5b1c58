import assert from 'node:assert/strict'
import fc from 'fast-check'
import { lastRecordBoundary, PerfTextMerger } from '../../src/perf/index.js'
import { fixture, fixtureNames, read } from './support.js'

describe('lastRecordBoundary', () => {
  it('cuts text so that both parts read as the whole does', () => {
    for (const name of fixtureNames) {
      const bytes = fixture(name)
      const whole = read(bytes).records
      for (let end = 0; end <= bytes.length; end += 13) {
        const cut = lastRecordBoundary(bytes.subarray(0, end))
        assert.ok(cut <= end)
        const { reader, records } = read(bytes.subarray(0, cut))
        assert.deepEqual(records, whole.slice(0, records.length), `${name} cut at ${cut}`)
        assert.equal(reader.consumedBytes, cut)
        if (cut > 0) assert.equal(bytes[cut - 1], 10)
      }
    }
  })

  it('finds every boundary that is followed by enough text', () => {
    const bytes = fixture('mixed-call-graph')
    for (const { offsetBytes, bytes: size } of read(bytes).records) {
      const end = (offsetBytes as number) + (size as number)
      assert.ok(lastRecordBoundary(bytes.subarray(0, end + 200)) >= end || end === bytes.length)
    }
  })

  it('finds none in the middle of the first record', () => {
    assert.equal(lastRecordBoundary(Buffer.from('')), 0)
    assert.equal(lastRecordBoundary(Buffer.from('x 1/1 [000] 1.00')), 0)
    assert.equal(lastRecordBoundary(Buffer.from('x 1/1 [000] 1.000000001: 1 a:b: \n\t            11a1 f+0x1 (x)\n')), 0)
  })
})

/** Text of samples, some with stacks, at the given times. */
function textOf(tag: string, times: readonly number[]): string {
  const records = times.map((time, i) => {
    const stack = i % 2 === 0 ? `\t            11a1 ${tag}${i}+0x1 (/bin/${tag})\n\n` : ''
    return `${tag} 1/1 [000]     1.${String(time).padStart(9, '0')}: 1 probe:${tag}: n=${i}\n${stack}`
  })
  return `# ${tag} header\n${records.join('')}`
}

function merge(texts: readonly string[], chunkBytes: number): string {
  const merger = new PerfTextMerger(texts.length)
  const out: Buffer[] = []
  const pull = () => {
    for (let piece = merger.take(); piece !== undefined; piece = merger.take()) out.push(Buffer.from(piece))
  }
  const longest = Math.max(...texts.map((text) => text.length))
  for (let at = 0; at < longest; at += chunkBytes) {
    texts.forEach((text, input) => merger.push(input, Buffer.from(text.slice(at, at + chunkBytes))))
    pull()
  }
  texts.forEach((_, input) => {
    merger.end(input)
    pull()
  })
  return Buffer.concat(out).toString()
}

describe('PerfTextMerger', () => {
  it('puts the records of all texts in the order of time behind all headers', () => {
    const times = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 80 }).map((list) => list.sort((a, b) => a - b))
    fc.assert(
      fc.property(times, times, fc.integer({ min: 1, max: 6000 }), (a, b, chunkBytes) => {
        const texts = [textOf('a', a), textOf('b', b)]
        const merged = merge(texts, chunkBytes)
        assert.ok(merged.startsWith('# a header\n# b header\n'))
        const strip = (record: Record<string, unknown>): Record<string, unknown> => ({ ...record, offsetBytes: 0 })
        const records = read(merged).records.map(strip)
        const mergedTimes = records.map((record) => BigInt(record['time_ns'] as string))
        assert.ok(mergedTimes.every((time, i) => i === 0 || mergedTimes[i - 1]! <= time))
        for (const [i, tag] of ['a', 'b'].entries()) {
          const own = records.filter((record) => record['comm'] === tag)
          assert.deepEqual(own, read(texts[i]!).records.map(strip))
        }
      }),
      { numRuns: 60, seed: 5 },
    )
  })

  it('keeps real text whole when the other text is empty', () => {
    const text = fixture('header-and-stacks').toString()
    assert.equal(merge([text, ''], 1000), text)
    assert.equal(merge(['', text], 1000), text)
  })
})
