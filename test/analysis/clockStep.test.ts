import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Analysis } from '../../src/analysis/analysis.js'
import type { OutRow } from '../../src/measures/measure.js'
import { steppedTrace } from '../support/steppedTrace.js'

const trace = readFileSync('test/captures/stw-netpoll/go.trace')
const names = { source: 'h/svc/99/0', service: 'svc', host: 'h' }

function analyse(bytes: Buffer): OutRow[] {
  const analysis = new Analysis({ ...names, tracks: { gotrace: true, perf: false } })
  analysis.feed('gotrace', bytes)
  analysis.end('gotrace')
  analysis.pump()
  return analysis.takeRows()
}

const stepsOf = (rows: readonly OutRow[]) =>
  rows.filter(({ table }) => table === 'pipeline_health').reduce((sum, { row }) => sum + Number(row['clock_steps']), 0)
const momentsOf = (rows: readonly OutRow[]) => rows.map(({ table, row }) => `${table} ${row.ts}`)

describe('a wall clock that is set while it is recorded', () => {
  const plain = analyse(trace)
  const firstSecond = Number(BigInt(plain[0]!.row.ts) / 1_000_000_000n) - 5

  it('is counted once, forward and back, and moves no row', () => {
    assert.equal(stepsOf(plain), 0)
    for (const bySeconds of [3600, -3600]) {
      const { bytes, snapshots } = steppedTrace(trace, bySeconds, firstSecond)
      assert.ok(snapshots > 3, `${snapshots} snapshots`)
      const rows = analyse(bytes)
      assert.equal(stepsOf(rows), 1)
      assert.deepEqual(momentsOf(rows), momentsOf(plain))
    }
  })
})
