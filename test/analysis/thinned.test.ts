import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Analysis } from '../../src/analysis/analysis.js'
import { detailLine, lastRecordBoundary, type PerfDetail, PerfScriptReader } from '../../src/perf/index.js'

const folder = join(process.cwd(), 'test/captures/healthy')

describe('perf text of a collector that left something out', () => {
  const perf = gunzipSync(readFileSync(join(folder, 'perf.script.gz')))
  const at = (share: number) => lastRecordBoundary(perf.subarray(0, Math.floor(perf.length * share)))
  const told = (...parts: [PerfDetail, number, number][]) =>
    Buffer.concat(parts.flatMap(([detail, from, to]) => [Buffer.from(detailLine(detail)), perf.subarray(from, to)]))

  /** pipeline_health.left_out of perf, second by second, and the wall second of the first record behind each position. */
  function leftOut(text: Buffer): unknown[] {
    const names = { source: 'a/b/1/c', service: 'b', host: 'a' }
    const analysis = new Analysis({ ...names, tracks: { gotrace: true, perf: true }, perfClock: 'CLOCK_MONOTONIC' })
    analysis.feed('gotrace', readFileSync(join(folder, 'go.trace')))
    for (let from = 0; from < text.length; from += 100_000) analysis.feed('perf', text.subarray(from, from + 100_000))
    analysis.end('gotrace')
    analysis.end('perf')
    analysis.pump()
    const rows = analysis.takeRows().filter(({ table, row }) => table === 'pipeline_health' && row['track'] === 'perf')
    return rows.map(({ row }) => row['left_out'])
  }

  it('says in each second what the least of its records was recorded with', () => {
    const seconds = leftOut(perf)
    assert.deepEqual(new Set(seconds), new Set([null]))
    const [from, to] = [at(0.3), at(0.6)]
    const thinner = leftOut(told(['full', 0, from], ['noStacks', from, to], ['full', to, perf.length]))
    assert.equal(thinner.length, seconds.length)
    assert.equal(thinner[0], null)
    assert.equal(thinner.at(-1), null)
    assert.ok(thinner.includes('stacks'))
    const thinnest = leftOut(told(['noStacks', 0, from], ['noSyscalls', from, to], ['noStacks', to, perf.length]))
    assert.deepEqual(
      thinnest,
      thinner.map((each) => (each === null ? 'stacks' : 'stacks and system calls')),
    )
  })

  it('is read on from a saved state with what was told before it', () => {
    const reader = new PerfScriptReader()
    reader.push(told(['noStacks', 0, at(0.1)]))
    while (reader.next());
    const resumed = PerfScriptReader.restore(reader.save())
    assert.equal(resumed.header.detail, 'noStacks')
  })
})
