import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Analysis } from '../../src/analysis/analysis.js'

describe('analysis of a trace of Go 1.21 or older', () => {
  it('does not join it with perf, and reports both by themselves', () => {
    const names = { source: 'old', service: 'old', host: 'here' }
    const analysis = new Analysis({ ...names, tracks: { gotrace: true, perf: true } })
    analysis.feed('gotrace', readFileSync('test/captures/gotrace/go1.21.trace'))
    analysis.feed('perf', gunzipSync(readFileSync('test/captures/stw-netpoll/perf.script.gz')).subarray(0, 1 << 20))
    analysis.end('gotrace')
    analysis.end('perf')
    analysis.pump()
    const { clock, goEvents, perfRecords, problems } = analysis.summary
    assert.deepEqual([clock.method, clock.joined], ['v1_trace', false])
    assert.ok(goEvents > 10_000 && perfRecords > 100)
    assert.ok(problems.every(({ track }) => track === 'perf'))
    const rows = analysis.takeRows()
    assert.ok(rows.some(({ table }) => table === 'gc_pauses'))
    const classes = new Set(rows.filter(({ table }) => table === 'time_classes').map(({ row }) => row['class']))
    assert.ok(classes.has('net_wait') && classes.has('unknown'))
    assert.ok(!classes.has('on_cpu'))
  })
})
