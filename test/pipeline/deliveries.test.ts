import assert from 'node:assert/strict'
import { newCounts } from '../../src/pipeline/counts.js'
import { Deliveries, senderOf, unknownSender } from '../../src/pipeline/deliveries.js'
import type { StoredRow } from '../../src/store/store.js'

const sender = { source: 'h/svc/1/0', service: 'svc', host: 'h' }

describe('what is seen of deliveries', () => {
  function start() {
    const counts = newCounts()
    const clock = { second: 1000 }
    const deliveries = new Deliveries(counts, () => clock.second * 1000 + 250)
    return { counts, clock, deliveries }
  }

  const short = (rows: readonly StoredRow[]) =>
    rows.map(({ row: { ts, source, track, ...names } }) => {
      const { service, host, ...times } = names
      assert.ok(service !== '' && host !== '')
      return [ts.slice(0, -9), source, { track, ...times }]
    })

  it('becomes rows when its second is over, one for each source and track, and is counted by name since the start', () => {
    const { counts, clock, deliveries } = start()
    deliveries.count('duplicates', sender, 'perf', 2)
    deliveries.count('duplicates', sender, 'perf')
    deliveries.count('gaps', sender, 'gotrace')
    deliveries.dead('malformed', unknownSender, 'perf')
    assert.deepEqual(deliveries.take(), [])
    clock.second = 1001
    deliveries.dead('future_schema', sender, 'perf')
    assert.deepEqual(short(deliveries.take()), [
      ['1000', sender.source, { track: 'perf', duplicates: 3 }],
      ['1000', sender.source, { track: 'gotrace', gaps: 1 }],
      ['1000', 'unknown', { track: 'perf', dead_letters: 1, poison: 1 }],
    ])
    clock.second = 1005
    assert.deepEqual(short(deliveries.take()), [
      ['1001', sender.source, { track: 'perf', dead_letters: 1, future_schema: 1 }],
    ])
    assert.deepEqual(deliveries.take(), [])
    const { duplicates, gaps, dead } = counts
    assert.deepEqual([duplicates.perf, gaps.gotrace, dead.malformed, dead.future_schema], [3, 1, 1, 1])
  })

  it('is all there is at the end, though its second is not over', () => {
    const { deliveries } = start()
    deliveries.count('silent', sender, 'perf')
    deliveries.end()
    assert.deepEqual(short(deliveries.take()), [['1000', sender.source, { track: 'perf', silent: 1 }]])
  })

  it('never replaces what has been written: a clock that is set back, and another normalizer, count under another name', () => {
    const { clock, deliveries } = start()
    const runs = new Set<string>()
    for (const second of [1000, 1001, 1000, 1001, 900]) {
      clock.second = second
      deliveries.count('gaps', sender, 'perf')
      deliveries.end()
      for (const { run, row } of deliveries.take()) runs.add(`${row.ts} ${run}`)
    }
    assert.equal(runs.size, 5)
    const [here, there] = [start().deliveries, start().deliveries].map((each) => {
      each.count('gaps', sender, 'perf')
      each.end()
      return each.take()[0]!.run
    })
    assert.notEqual(here, there)
  })

  it('is kept while the store is away, the latest of it, and what is dropped is counted', () => {
    const { counts, clock, deliveries } = start()
    deliveries.count('gaps', sender, 'perf')
    clock.second++
    const refused = deliveries.take()
    deliveries.giveBack(refused)
    assert.deepEqual(deliveries.take(), refused)
    deliveries.giveBack(refused)
    for (let n = 0; n < 10_000; n++) {
      clock.second++
      deliveries.count('gaps', sender, 'perf')
    }
    clock.second++
    const rows = deliveries.take()
    assert.deepEqual([rows.length, rows[0]!.row.ts, counts.deliveryRowsDropped], [10_000, '1002000000000', 1])
    assert.equal(counts.gaps.perf, 10_001)
  })

  it('tells a thousand senders of a second apart, and what is more is of an unknown one', () => {
    const { deliveries } = start()
    for (let n = 0; n < 1100; n++) deliveries.dead('malformed', { ...sender, source: `s${n}` }, 'perf')
    deliveries.end()
    const rows = deliveries.take()
    assert.equal(rows.length, 1001)
    assert.deepEqual(rows.at(-1)!.row['poison'], 100)
    assert.equal(rows.at(-1)!.row.source, 'unknown')
  })
})

describe('the sender of a message that cannot be used', () => {
  const of = (key: string, headers: Record<string, string> = {}) =>
    senderOf({ offset: 0n, key, headers, value: Buffer.alloc(0) }, (source) =>
      source === 'known' ? sender : undefined,
    )

  it('is its key, with the names that can be read, or that are known of that source', () => {
    assert.deepEqual(of('a/b', { service: 's', host: 'h' }), { source: 'a/b', service: 's', host: 'h' })
    assert.deepEqual(of('a/b', { service: 'no\nname' }), { source: 'a/b', service: 'unknown', host: 'unknown' })
    assert.deepEqual(of('known'), sender)
  })

  it('is unknown when its key names no source', () => {
    for (const key of ['', '../etc', 'a//b', 'a\nb']) assert.deepEqual(of(key, { service: 's' }), unknownSender)
  })
})
