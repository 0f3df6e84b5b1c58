import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Analysis } from '../../src/analysis/analysis.js'
import { Ev, GoTraceReader } from '../../src/gotrace/index.js'

const names = { source: 'old', service: 'old', host: 'here' }

describe('analysis of a trace of Go 1.21 or older', () => {
  it('does not join it with perf, and reports both by themselves', () => {
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

  it('tells how long goroutines whose network was ready waited to run, though not which thread found it', () => {
    for (const version of ['1.20', '1.21']) {
      const bytes = readFileSync(`test/captures/gotrace/go${version}.trace`)
      const analysis = new Analysis({ ...names, tracks: { gotrace: true, perf: false } })
      analysis.feed('gotrace', bytes)
      analysis.end('gotrace')
      analysis.pump()
      const rows = analysis.takeRows().filter(({ table }) => table === 'netpoll_delays')
      const count = rows.reduce((sum, { row }) => sum + Number(row['count']), 0)
      assert.ok(count > 0)
      assert.deepEqual([count, analysis.summary.fit.unplaced], [pollerUnblocks(bytes), count])
      for (const { row } of rows) {
        assert.equal(row['poll_to_ready_p99_ns'], null)
        assert.ok(Number(row['ready_to_run_p99_ns']) > 0)
      }
    }
  })
})

/** Network unblocks by the scheduler, of goroutines that run again. */
function pollerUnblocks(bytes: Uint8Array): number {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const onNetwork = new Set<number>()
  const ready = new Set<number>()
  let count = 0
  while (reader.next()) {
    const { event } = reader
    const goid = event.args[0]!
    if (event.type === Ev.GoBlock && reader.string(event.args[0]!) === 'network') onNetwork.add(event.goid)
    else if (event.type === Ev.GoUnblock && onNetwork.delete(goid) && event.goid < 0) ready.add(goid)
    else if (event.type === Ev.GoStart && ready.delete(goid)) count++
  }
  return count
}
