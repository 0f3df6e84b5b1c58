import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { Ev, GenerationSplitter, GoTraceReader } from '../../../src/gotrace/index.js'
import { capture, cut, drain, read } from '../support/events.js'

const versions = { 'go1.11': '1.11', 'go1.20': '1.19', 'go1.21': '1.21' } as const

function v1Capture(name: keyof typeof versions): Uint8Array {
  return readFileSync(`test/captures/gotrace/${name}.trace`)
}

describe('a trace of Go 1.21 or older', () => {
  for (const [name, version] of Object.entries(versions) as [keyof typeof versions, string][]) {
    it(`(${name}) reads the same however the bytes are cut`, () => {
      const bytes = v1Capture(name)
      const whole = read([bytes]).lines
      assert.ok(whole.length > 1000)
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 40 }), (places) => {
          const { lines, reader } = read(cut(bytes, places))
          assert.deepEqual(reader.problems, [])
          assert.deepEqual(lines, whole)
        }),
        { numRuns: 4 },
      )
    })

    it(`(${name}) says its version, and that neither threads nor times are the system's`, () => {
      const { reader } = read([v1Capture(name)])
      const { version: told, baseNs, generationsRead, threadsAreTids, clockIsMonotonic } = reader
      assert.deepEqual([told, baseNs, generationsRead], [version, 0n, 1])
      assert.deepEqual([threadsAreTids, clockIsMonotonic], [false, false])
    })
  }

  it('reads the same from single bytes', () => {
    const bytes = v1Capture('go1.11')
    const pieces = Array.from(bytes, (_byte, i) => bytes.subarray(i, i + 1))
    assert.deepEqual(read(pieces).lines, read([bytes]).lines)
  })

  it('is told when its end is known, and is a resume point only then', () => {
    const bytes = v1Capture('go1.20')
    const reader = new GoTraceReader()
    reader.push(bytes)
    assert.equal(reader.next(), false)
    assert.equal(reader.consumedBytes, 16)
    reader.end()
    assert.ok(reader.next())
    assert.deepEqual([reader.consumedBytes, reader.atGenerationBoundary], [16, false])
    drain(reader)
    assert.deepEqual([reader.consumedBytes, reader.atGenerationBoundary], [bytes.length, true])
  })

  it('is one generation, whose events have times from 0 on', () => {
    const reader = new GoTraceReader()
    reader.push(v1Capture('go1.21'))
    reader.end()
    const times: number[] = []
    const gens = new Set<number>()
    while (reader.next()) {
      gens.add(reader.event.gen)
      times.push(reader.event.timeNs)
    }
    assert.deepEqual([...gens], [1])
    assert.equal(times[0], -1)
    assert.ok(times.slice(1).every((timeNs) => timeNs >= 0 && timeNs < 60e9))
  })

  it('goes on from a saved state before the trace and behind it', () => {
    const [first, second] = [v1Capture('go1.11'), v1Capture('go1.20')]
    const both = Buffer.concat([first, second])
    const whole = read([both]).lines
    const firstLines = read([first]).lines
    const reader = new GoTraceReader()
    reader.push(both.subarray(0, first.length + 40))
    const early = GoTraceReader.restore(structuredClone(reader.save()))
    early.push(both)
    early.end()
    assert.deepEqual(drain(early), whole)

    reader.push(both.subarray(first.length + 40))
    for (let i = 1; i < firstLines.length; i++) assert.ok(reader.next())
    // Behind the first trace's events, before its closing Sync.
    assert.equal(reader.next(), true)
    assert.equal(reader.event.type, Ev.Sync)
    const state = structuredClone(reader.save())
    const late = GoTraceReader.restore(state)
    late.push(both.subarray(state.consumedBytes))
    late.end()
    assert.deepEqual(drain(late), whole.slice(firstLines.length))
  })

  it('goes on after a header alone was read', () => {
    const bytes = v1Capture('go1.11')
    const reader = new GoTraceReader()
    reader.push(bytes.subarray(0, 100))
    assert.equal(reader.next(), false)
    const state = structuredClone(reader.save())
    assert.equal(state.consumedBytes, 16)
    const late = GoTraceReader.restore(state)
    late.push(bytes.subarray(16))
    late.end()
    assert.deepEqual(drain(late), read([bytes]).lines)
  })

  it('may stand before and behind other traces in one stream', () => {
    const traces = [v1Capture('go1.20'), capture('go1.26'), v1Capture('go1.11'), v1Capture('go1.21'), capture('go1.22')]
    const { lines, reader } = read([Buffer.concat(traces)])
    assert.deepEqual(reader.problems, [])
    assert.deepEqual(
      lines,
      traces.flatMap((bytes) => read([bytes]).lines),
    )
    assert.deepEqual([reader.traceIndex, reader.threadsAreTids], [4, true])
  })

  it('is one piece for shipping', () => {
    const traces = [v1Capture('go1.21'), v1Capture('go1.11')]
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (places) => {
        const splitter = new GenerationSplitter()
        const pieces: (readonly [gen: number, whole: boolean, sizeBytes: number])[] = []
        const take = () => {
          for (let piece = splitter.next(); piece !== undefined; piece = splitter.next())
            pieces.push([piece.gen, piece.whole, piece.bytes.length])
        }
        for (const chunk of cut(Buffer.concat(traces), places)) {
          splitter.push(chunk)
          take()
        }
        splitter.end()
        take()
        assert.deepEqual(
          pieces,
          traces.map(({ length }) => [1, true, length]),
        )
      }),
      { numRuns: 20 },
    )
  })
})
