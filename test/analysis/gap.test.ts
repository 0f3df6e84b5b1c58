import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Analysis } from '../../src/analysis/analysis.js'
import { lastRecordBoundary } from '../../src/perf/index.js'

const folder = join(process.cwd(), 'test/captures/healthy')

describe('messages of the perf track that never came', () => {
  it('leave what happened meanwhile unknown, and are counted', () => {
    const perf = gunzipSync(readFileSync(join(folder, 'perf.script.gz')))
    const go = readFileSync(join(folder, 'go.trace'))
    const from = lastRecordBoundary(perf.subarray(0, Math.floor(perf.length * 0.4)))
    const to = lastRecordBoundary(perf.subarray(0, Math.floor(perf.length * 0.6)))
    const unknownNs = (isTold: boolean) => {
      const names = { source: 'a/b/1/c', service: 'b', host: 'a' }
      const analysis = new Analysis({ ...names, tracks: { gotrace: true, perf: true }, perfClock: 'CLOCK_MONOTONIC' })
      analysis.feed('gotrace', go)
      analysis.feed('perf', perf.subarray(0, from))
      if (isTold) analysis.gap('perf', to - from)
      analysis.feed('perf', perf.subarray(to))
      analysis.end('gotrace')
      analysis.end('perf')
      analysis.pump()
      const rows = analysis.takeRows().map(({ table, row }) => ({ name: table, row }))
      const sum = (name: string, column: string, wanted: (row: Readonly<Record<string, unknown>>) => boolean) =>
        rows
          .filter((each) => each.name === name && wanted(each.row))
          .reduce((total, { row }) => total + Number(row[column]), 0)
      const lostBytes = sum('pipeline_health', 'lost_bytes', ({ track }) => track === 'perf')
      assert.equal(lostBytes, isTold ? to - from : 0)
      return sum('time_classes', 'ns', (row) => row['class'] === 'unknown')
    }
    assert.ok(unknownNs(true) > unknownNs(false))
  })
})
