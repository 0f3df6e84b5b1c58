import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseFrame } from '../../src/perf/frame.js'
import { findPlainSymbol, SymbolPlace } from '../../src/perf/plainSymbol.js'
import { fixture, fixtureNames } from './support.js'

function plainSymbol(line: string): string | undefined {
  const bytes = Buffer.from(`${line}\n`)
  const place = new SymbolPlace()
  return findPlainSymbol(bytes, 0, bytes.length, place) ? bytes.toString('utf8', place.start, place.end) : undefined
}

describe('the symbol of a plain frame line', () => {
  it('is found in the lines perf usually prints', () => {
    const cases = [
      ['\t          4a5b60 net/http.(*conn).serve+0x5e4 (/srv/app)', 'net/http.(*conn).serve'],
      ['\tffffffff81417591 do_idle ([kernel.kallsyms])', 'do_idle'],
      ['\t            11a1 operator()(int) const+0x1c (/usr/lib/a b.so)', 'operator()(int) const'],
    ] as const
    for (const [line, symbol] of cases) assert.equal(plainSymbol(line), symbol)
  })

  it('is left to the full reading where perf knew none, or the line is another', () => {
    const lines = ['4a5b60 [unknown] (/srv/app)', '4a5b60  (/srv/app)', '4a5b60', 'add (inlined)', '4a f (x) (inlined)']
    for (const line of lines) assert.equal(plainSymbol(`\t${line}`), undefined, line)
    assert.equal(plainSymbol('  main.go:12'), undefined)
  })

  it('is the one the full reading finds, in every line of the fixtures', () => {
    for (const line of fixtureNames.flatMap((name) => fixture(name).toString().split('\n'))) {
      const symbol = plainSymbol(line)
      if (symbol !== undefined) assert.equal(symbol, parseFrame(line).symbol, line)
    }
  })

  it('is the one the full reading finds, whatever the line is made of', () => {
    const piece = fc.constantFrom(
      '\t',
      ' ',
      'ab',
      '4a5b60',
      'main.f',
      '(',
      ')',
      ' (',
      '+0x1',
      '[unknown]',
      '(inlined)',
      '\r',
      '\u00a0',
      'é',
      '/a b',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const line = `\t${pieces.join('')}`
        const symbol = plainSymbol(line)
        if (symbol !== undefined) assert.equal(symbol, parseFrame(line).symbol, JSON.stringify(line))
      }),
      { numRuns: 20_000 },
    )
  })
})
