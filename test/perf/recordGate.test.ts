import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { lostRecordText, PerfKind, PerfScriptReader, RecordGate } from '../../src/perf/index.js'

const text = readFileSync(join(process.cwd(), 'test/perf/fixtures/mixed-call-graph.txt'))
const times = [...text.toString('latin1').matchAll(/ (\d+)\.(\d{9}): (?!$)/gm)].map(
  ([, seconds, nanos]) => BigInt(seconds!) * 1_000_000_000n + BigInt(nanos!),
)

/** What goes through, cut into chunks; the gate is closed, when it is, as late as it may be. */
function passed(gate: RecordGate, chunkBytes: number, closeNs?: bigint): string {
  const out: string[] = []
  let closed = false
  for (let from = 0; from < text.length; from += chunkBytes) {
    const chunk = text.subarray(from, from + chunkBytes)
    if (closeNs !== undefined && !closed && beginsLater(chunk, closeNs)) {
      gate.closeAfter(closeNs)
      closed = true
    }
    out.push(gate.push(chunk).toString('latin1'))
  }
  out.push(gate.end().toString('latin1'))
  return out.join('')
}

function beginsLater(chunk: Uint8Array, closeNs: bigint): boolean {
  const inIt = [
    ...Buffer.from(chunk)
      .toString('latin1')
      .matchAll(/(\d+)\.(\d{9})/g),
  ]
  return inIt.some(([, seconds, nanos]) => BigInt(seconds!) * 1_000_000_000n + BigInt(nanos!) >= closeNs)
}

/** A text of these events, each a record at its time, ns. */
function eventsText(timesNs: readonly number[], isWanted: (ns: number) => boolean = () => true): Buffer {
  const events = [...timesNs.entries()].filter(([, ns]) => isWanted(ns)).sort(([, a], [, b]) => a - b)
  const lines = events.map(([event, ns]) => {
    const nanos = String(ns % 1e9).padStart(9, '0')
    return `work 7/7 [000] ${Math.floor(ns / 1e9)}.${nanos}: sched:sched_waking: event=${event}\n`
  })
  return Buffer.from(lines.join(''))
}

describe('the gate between two perf texts', () => {
  const chunkBytes = fc.integer({ min: 200, max: 20_000 })

  it('lets everything through, unchanged, when it has no bounds', () => {
    fc.assert(
      fc.property(chunkBytes, (size) => assert.equal(passed(new RecordGate(), size), text.toString('latin1'))),
      { numRuns: 20 },
    )
  })

  it('cuts one text into two at any instant, so that both together have every record once', () => {
    const records = (part: string) =>
      part.split('\n').filter((line) => / \d+\.\d{9}: /.test(line) && !line.startsWith('#'))
    fc.assert(
      fc.property(chunkBytes, fc.nat(times.length - 1), (size, at) => {
        const cutNs = times[at]!
        const gate = new RecordGate()
        const before = records(passed(gate, size, cutNs))
        const after = records(passed(new RecordGate(gate.closedNs), size))
        const timed = (line: string) => !/ 0\.0{9}: /.test(line)
        assert.deepEqual(
          [...before.filter(timed), ...after.filter(timed)].sort(),
          records(text.toString('latin1')).filter(timed).sort(),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('passes from one recording to another of the same events, whose clock was read a little later for each', () => {
    const gapsNs = fc.array(fc.oneof(fc.nat(3_000), fc.nat(90_000)), { minLength: 20, maxLength: 400 })
    const chunkBytes = fc.integer({ min: 80, max: 900 })
    fc.assert(
      fc.property(gapsNs, fc.nat(), fc.infiniteStream(fc.nat(9_000)), chunkBytes, (gaps, at, late, size) => {
        let ns = 5_000_000_000
        const older = gaps.map((gapNs) => (ns += gapNs))
        const newer = older.map((each) => each + (late.next().value as number))
        const askedNs = older[at % older.length]! + 1
        const gate = new RecordGate(1n, 0n, true)
        let through = gate.push(eventsText(older, (each) => each < askedNs)).toString()
        gate.closeAfter(BigInt(askedNs))
        const rest = eventsText(older, (each) => each >= askedNs)
        for (let from = 0; from < rest.length; from += size)
          through += gate.push(rest.subarray(from, from + size)).toString()
        through += gate.end().toString()
        const next = new RecordGate(gate.closedNs, 0n, true)
        through += next.push(eventsText(newer)).toString() + next.end().toString()
        const told = [...through.matchAll(/event=(\d+)/g)].map(([, event]) => Number(event))
        assert.deepEqual(
          told.sort((a, b) => a - b),
          [...gaps.keys()],
        )
      }),
      { numRuns: 300 },
    )
  })

  it('does not make do with less of a gap because of what is read late from before the instant', () => {
    const early = Array.from({ length: 3000 }, (_, i) => 1e9 + i * 3_000)
    const instantNs = early.at(-1)! + 500
    // Two events some µs apart, which the other recording has a little later, and then a gap.
    const late = [0, 5_000, 10_000, 200_000].map((ns) => instantNs + 1_000 + ns)
    const gate = new RecordGate()
    gate.closeAfter(BigInt(instantNs))
    gate.push(eventsText([...early, ...late]))
    gate.end()
    const closedNs = Number(gate.closedNs!)
    assert.ok(
      closedNs > late[2]! + 25_000 && closedNs < late[3]!,
      `closed ${closedNs - instantNs} ns behind the instant`,
    )
  })

  it('knows the time of the last record that went through', () => {
    const gate = new RecordGate()
    assert.equal(gate.lastNs, undefined)
    gate.push(text)
    gate.end()
    assert.equal(gate.lastNs, times.at(-1))
  })

  it('writes a loss as perf does', () => {
    const reader = new PerfScriptReader()
    reader.push(lostRecordText(12_000_000_034n, 5))
    reader.end()
    assert.ok(reader.next())
    assert.deepEqual(
      [reader.record.kind, reader.record.lost, reader.baseNs, reader.record.timeNs],
      [PerfKind.Lost, 5, 12_000_000_000n, 34],
    )
    assert.equal(reader.problemTotal, 0)
  })
})
