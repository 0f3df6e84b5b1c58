import assert from 'node:assert/strict'
import fc from 'fast-check'
import { viewOf } from '../../src/perf/bytes.js'
import { Head, parseHead } from '../../src/perf/head.js'
import { HeadCache } from '../../src/perf/headCache.js'
import { fixture, fixtureNames } from './support.js'

/** Parts of which heads, and texts that look like them, are made. */
const part = fc.constantFrom(
  'a',
  'x: ',
  ' ',
  '  ',
  '7',
  '12/34',
  '[003]',
  '5.000001',
  '6.123456789:',
  ': ',
  ' K  ',
  ': 1',
)
const prefix = fc.array(part, { maxLength: 7 }).map((parts) => parts.join(''))
const line = fc.tuple(
  prefix,
  fc.integer({ min: 0, max: 99999 }),
  fc.constantFrom(':', ': 1 ev: ', ': x 1/1 2.000000:', ''),
)

/** Reads every line with one cache and with none. */
function compare(lines: readonly string[]): void {
  const text = Buffer.from(lines.map((each) => `${each}\n`).join(''), 'latin1')
  const bytes = Buffer.concat([text, Buffer.alloc(64)])
  const source = { bytes, view: viewOf(bytes) }
  const cache = new HeadCache()
  let start = 0
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
    const [cached, plain] = [new Head(), new Head()]
    const found = parseHead(bytes, start, end, plain)
    const told = JSON.stringify(bytes.toString('latin1', start, end))
    assert.equal(cache.read(source, start, end, cached), found, told)
    if (found) assert.deepEqual(cached, plain, told)
    start = end + 1
  }
}

describe('heads that begin as one before did', () => {
  it('are read as any head is, in every fixture read twice', () => {
    for (const name of fixtureNames) {
      const lines = fixture(name).toString('latin1').split('\n')
      compare([...lines, ...lines])
    }
  })

  it('are read as any head is, whatever names and text imitate one', () => {
    const texts = fc.array(line, { minLength: 1, maxLength: 8 }).map((parts) => {
      const beginnings = parts.map(([before]) => before)
      return parts.flatMap(([, number, after]) =>
        beginnings.map((before) => `${before} ${number}.${String(number * 7919).padStart(6, '0')}${after}`),
      )
    })
    fc.assert(
      fc.property(texts, (lines) => compare([...lines, ...lines])),
      { numRuns: 2000, seed: 3 },
    )
  })
})
