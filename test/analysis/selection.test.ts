import assert from 'node:assert/strict'
import fc from 'fast-check'
import { always, clip, Gate, holds, type Interval, overlaps, united } from '../../src/analysis/selection.js'
import { analyzeCapture, type OfflineResult } from '../../src/pipeline/offline.js'

const healthy = 'test/captures/healthy'

function classTotals({ rows }: OfflineResult): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { table, row } of rows) {
    if (table === 'time_classes') totals[String(row['class'])] = (totals[String(row['class'])] ?? 0) + Number(row['ns'])
  }
  return totals
}

const total = (totals: Record<string, number>) => Object.values(totals).reduce((sum, ns) => sum + ns, 0)

/** Only the part from so many ns after the start on, up to so many. */
function part(fromNs: number, toNs: number): Gate {
  return new Gate(({ firstNs }) => ({ intervals: [{ fromNs: firstNs + fromNs, toNs: firstNs + toNs }] }))
}

describe('a part of a capture', () => {
  let whole: OfflineResult
  before(async () => {
    whole = await analyzeCapture(healthy)
  })

  it('and the parts beside it have together what the whole has, class by class and ns by ns', async () => {
    const all = classTotals(whole)
    const cuts = [-Infinity, 400_000_001, 1_234_567_891, Infinity]
    const sums: Record<string, number> = {}
    for (let i = 1; i < cuts.length; i++) {
      const one = classTotals(await analyzeCapture(healthy, { gate: part(cuts[i - 1]!, cuts[i]!) }))
      for (const [name, ns] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + ns
    }
    assert.deepEqual(sums, all)
  })

  it('has of every goroutine as much as it lived in it', async () => {
    const lives = new Map<number, Interval>()
    const listener = {
      segment({ goid }: { goid: number }, fromNs: number, toNs: number) {
        lives.set(goid, { fromNs: lives.get(goid)?.fromNs ?? fromNs, toNs })
      },
    }
    await analyzeCapture(healthy, () => ({ listeners: [listener] }))
    const window = { fromNs: NaN, toNs: NaN }
    const gate = new Gate(({ firstNs }) => {
      Object.assign(window, { fromNs: firstNs + 0.7e9, toNs: firstNs + 1.6e9 })
      return { intervals: [window] }
    })
    const result = await analyzeCapture(healthy, { gate })
    let expected = 0
    for (const life of lives.values()) {
      expected += Math.max(0, Math.min(life.toNs, window.toNs) - Math.max(life.fromNs, window.fromNs))
    }
    assert.equal(total(classTotals(result)), expected)
    assert.deepEqual(
      result.windows?.map(({ from, to }) => Number(BigInt(to) - BigInt(from))),
      [0.9e9],
    )
  })

  it('has only findings and events of its own', async () => {
    const demo = 'test/captures/stw-netpoll'
    const all = await analyzeCapture(demo)
    const pauses = all.rows.filter(({ table, row }) => table === 'gc_pauses' && Number(row['duration_ns']) > 10e6)
    const chosen = pauses[2]!.row
    const at = BigInt(chosen.ts)
    const gate = new Gate((axis) => {
      return { intervals: [{ fromNs: axis.atWall(at), toNs: axis.atWall(at) + Number(chosen['duration_ns']) }] }
    })
    const result = await analyzeCapture(demo, { gate })
    assert.deepEqual(
      result.rows.filter(({ table }) => table === 'gc_pauses').map(({ row }) => row),
      [chosen],
    )
    assert.deepEqual(
      [...new Set(result.findings.map(({ detector }) => detector))].filter((d) => d === 'stop_the_world'),
      ['stop_the_world'],
    )
    assert.ok(classTotals(result)['stw']! > 0)
  })

  it('can be one goroutine', async () => {
    const lives = new Map<number, number>()
    await analyzeCapture(healthy, () => ({
      listeners: [{ segment: ({ goid }, fromNs, toNs) => lives.set(goid, (lives.get(goid) ?? 0) + toNs - fromNs) }],
    }))
    const goid = [...lives.keys()][3]!
    const gate = new Gate(() => ({ intervals: [always], goroutines: new Map([[goid, [always]]]) }))
    assert.equal(total(classTotals(await analyzeCapture(healthy, { gate }))), lives.get(goid))
  })
})

describe('intervals', () => {
  const intervals = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 12 })).map(([at, length]) => {
      return { fromNs: at, toNs: at + length }
    }),
    { maxLength: 8 },
  )
  const covers = (list: readonly Interval[], ns: number) => list.some(({ fromNs, toNs }) => ns >= fromNs && ns < toNs)
  const every = Array.from({ length: 80 }, (_, ns) => ns)

  it('united cover the same moments, in order and apart', () => {
    fc.assert(
      fc.property(intervals, (list) => {
        const result = united(list)
        for (const ns of every) assert.equal(holds(result, ns), covers(list, ns))
        result.forEach(({ fromNs, toNs }, i) => {
          assert.ok(fromNs < toNs && (i === 0 || fromNs > result[i - 1]!.toNs))
        })
      }),
    )
  })

  it('cut a piece into just the moments it shares with them', () => {
    fc.assert(
      fc.property(intervals, fc.nat(60), fc.nat(20), (list, fromNs, length) => {
        const toNs = fromNs + length
        const parts: Interval[] = []
        clip(united(list), fromNs, toNs, (a, b) => parts.push({ fromNs: a, toNs: b }))
        for (const ns of every) assert.equal(covers(parts, ns), ns >= fromNs && ns < toNs && covers(list, ns))
        if (parts.some((each) => each.toNs > each.fromNs)) assert.ok(overlaps(united(list), fromNs, toNs))
      }),
    )
  })
})
