import assert from 'node:assert/strict'
import { type Extents, lateRuns, type Survey } from '../../../src/pipeline/reprocess/arrivals.js'

const nsOf = (time: string) => BigInt(Date.parse(`2026-11-23T${time}Z`)) * 1_000_000n
const done = nsOf('03:00:00')

describe('what came into the archive after its time', () => {
  const extent = (time: string, ended = false) => ({ toNs: String(nsOf(time)), ended })
  const late = (seen: Extents, extents: Extents, begins: Survey['begins'] = {}) =>
    [...lateRuns(seen, { extents, begins }, done)].map(([run, sinceNs]) => [
      run,
      new Date(Number(sinceNs / 1_000_000n)).toISOString(),
    ])

  it('is nothing of a run that goes on in time', () => {
    const seen = { 'a 1': { gotrace: extent('03:14:50'), perf: extent('03:14:51') } }
    const now = { 'a 1': { gotrace: extent('23:59:00'), perf: extent('23:59:01') } }
    assert.deepEqual(late(seen, now), [])
    assert.deepEqual(late(seen, seen), [])
  })

  it('is what follows the place where the data of a run stood still, and what may have begun there', () => {
    const seen = {
      'a 1': { gotrace: extent('02:10:30'), perf: extent('02:12:00') },
      'b 1': { perf: extent('02:10:30') },
    }
    const now = { ...seen, 'a 1': { gotrace: extent('04:00:00'), perf: extent('04:00:00') } }
    assert.deepEqual(late(seen, now), [['a 1', '2026-11-23T02:00:00.000Z']])
  })

  it('is all of a run that nobody knew, and the end of one that was not over', () => {
    const seen = { 'a 1': { perf: extent('02:10:30') } }
    const now = { 'a 1': { perf: extent('02:10:30', true) }, 'b 1': { perf: extent('02:00:00', true) }, 'c 1': {} }
    assert.deepEqual(late(seen, now, { 'b 1': nsOf('01:30:59') }), [
      ['a 1', '2026-11-23T02:00:00.000Z'],
      ['b 1', '2026-11-23T01:20:00.000Z'],
    ])
  })
})
