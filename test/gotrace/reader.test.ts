import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Ev, formatEvent, GoState, GoTraceReader } from '../../src/gotrace/index.js'
import { capture, captures, cut, drain, read } from './support/events.js'

describe('GoTraceReader', () => {
  for (const name of captures) {
    it(`reads the same events of ${name} however the bytes are cut`, () => {
      const bytes = capture(name)
      const whole = read([bytes], {}, true).lines
      assert.ok(whole.length > 1000)
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (places) => {
          assert.deepEqual(read(cut(bytes, places), {}, true).lines, whole)
        }),
        { numRuns: 5 },
      )
      const crumbs = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7))
      assert.deepEqual(read(crumbs, {}, true).lines, whole)
    })

    it(`goes on after being saved at any generation boundary of ${name}`, () => {
      const bytes = capture(name)
      const { saved, lines } = saveEverywhere(bytes)
      assert.ok(saved.length >= 3)
      for (const { state, linesBefore } of saved) {
        const reader = GoTraceReader.restore(structuredClone(state))
        assert.equal(reader.consumedBytes, state.consumedBytes)
        reader.push(bytes.subarray(state.consumedBytes))
        reader.end()
        assert.deepEqual(drain(reader, true), lines.slice(linesBefore))
        assert.equal(reader.version, name.slice(2))
        assert.equal(reader.generationsRead, 3)
      }
    })
  }

  it('gives what it read before a push when asked after it, and does not need the chunk any more', () => {
    const bytes = capture('go1.26')
    const whole = read([bytes]).lines
    const reader = new GoTraceReader()
    const lines: string[] = []
    for (let at = 0; at < bytes.length; at += 1000) {
      const chunk = bytes.slice(at, at + 1000)
      reader.push(chunk)
      chunk.fill(0xff)
      // One event per push at most: undelivered generations pile up.
      if (reader.next()) lines.push(formatEvent(reader.event, reader, { stacks: false }))
    }
    reader.end()
    lines.push(...drain(reader))
    assert.deepEqual(lines, whole)
  })

  it('counts time from a whole second and never lets the ordered time stand still', () => {
    const reader = new GoTraceReader()
    reader.push(capture('go1.25'))
    reader.end()
    let last = Number.NEGATIVE_INFINITY
    while (reader.next()) {
      const { orderedNs, timeNs, type } = reader.event
      assert.ok(orderedNs > last)
      assert.ok(orderedNs >= timeNs)
      if (type !== Ev.Sync) assert.equal((timeNs + Number(reader.baseNs! % 64n)) % 64, 0)
      last = orderedNs
    }
    assert.equal(reader.baseNs! % 1_000_000_000n, 0n)
  })

  it('gives each Sync of Go 1.25 the clocks of its generation, which agree within a microsecond', () => {
    const reader = new GoTraceReader()
    reader.push(capture('go1.25'))
    reader.end()
    const errors: number[] = []
    while (reader.next()) {
      const { clock } = reader.event
      if (clock !== undefined) errors.push(Number(clock.monotonicNs - reader.baseNs! - BigInt(clock.traceNs)))
    }
    assert.equal(errors.length, 3)
    for (const error of errors) assert.ok(Math.abs(error) < 1000)
  })

  it('lets every goroutine change only from the state it was in', () => {
    const reader = new GoTraceReader()
    reader.push(capture('go1.26'))
    reader.end()
    const states = new Map<number, number>()
    let checked = 0
    while (reader.next()) {
      const { type, args, goid, from, to } = reader.event
      const isGo = type >= Ev.GoCreate && type <= Ev.GoStatus
      if (!isGo && type < Ev.GoSwitch) continue
      if (type === Ev.Sync) continue
      const named = [
        Ev.GoCreate,
        Ev.GoCreateBlocked,
        Ev.GoStart,
        Ev.GoUnblock,
        Ev.GoStatus,
        Ev.GoStatusStack,
      ] as number[]
      const id = named.includes(type) ? args[0]! : goid
      if (from !== GoState.Undetermined && from !== GoState.NotExist) assert.equal(from, states.get(id))
      states.set(id, to)
      checked++
    }
    assert.ok(checked > 1000)
  })
})

function saveEverywhere(bytes: Uint8Array) {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const lines: string[] = []
  const saved = [{ state: reader.save(), linesBefore: 0 }]
  while (reader.next()) {
    lines.push(formatEvent(reader.event, reader, { stacks: true }))
    if (reader.atGenerationBoundary) saved.push({ state: reader.save(), linesBefore: lines.length })
  }
  // The last boundary is behind the closing Sync: nothing is left to read there.
  return { lines, saved: saved.filter(({ linesBefore }) => linesBefore < lines.length) }
}
