import assert from 'node:assert/strict'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { jsonText, toJsonResult } from '../../src/report/json.js'

const capture = 'test/captures/stw-netpoll'

describe('An analysis whose rows are not all wanted', () => {
  it('gives the same rows of the wanted tables, and the same findings', async () => {
    const all = await analyzeCapture(capture)
    const wanted = new Set(['time_classes', 'sched_latency'])
    const some = await analyzeCapture(capture, { tables: wanted })
    assert.ok(some.rows.length > 0 && some.rows.length < all.rows.length)
    assert.deepEqual(
      some.rows,
      all.rows.filter(({ table }) => wanted.has(table)),
    )
    assert.deepEqual(some.findings, all.findings)
  })

  it('writes its JSON in pieces that make up the result', async () => {
    const result = toJsonResult(await analyzeCapture(capture))
    const pieces = [...jsonText(result)]
    assert.ok(pieces.length > result.tables['time_classes']!.length)
    assert.deepEqual(JSON.parse(pieces.join('')), JSON.parse(JSON.stringify(result)))
  })
})
