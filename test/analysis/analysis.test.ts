import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import type { OutRow, Track } from '../../src/measures/measure.js'
import { tables } from '../../src/measures/tables.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { handWorkedPerf, handWorkedTrace, wallSeconds } from '../support/handWorked.js'

type Streams = Readonly<Record<Track, Uint8Array>>
const names = { source: 'h/svc/99/0', service: 'svc', host: 'h' }
const both = { gotrace: true, perf: true }

const handWorked: Streams = { gotrace: handWorkedTrace(), perf: handWorkedPerf() }
const demo = 'test/captures/stw-netpoll'

function demoStreams(): Streams {
  return { gotrace: readFileSync(`${demo}/go.trace`), perf: gunzipSync(readFileSync(`${demo}/perf.script.gz`)) }
}

function analyze(
  streams: Partial<Streams>,
  cut?: (left: number) => number,
  onPump?: (analysis: Analysis) => void,
): Analysis {
  const tracks = { gotrace: streams.gotrace !== undefined, perf: streams.perf !== undefined }
  const analysis = new Analysis({ ...names, tracks })
  feedAll(analysis, streams, { gotrace: 0, perf: 0 }, cut, onPump)
  return analysis
}

function feedAll(
  analysis: Analysis,
  streams: Partial<Streams>,
  from: Readonly<Record<Track, number>>,
  cut: (left: number, at: number) => number = (left) => left,
  onPump: (analysis: Analysis) => void = (a) => a.pump(),
  shippedAtMs?: (position: number) => number,
): void {
  const at = { ...from }
  for (;;) {
    onPump(analysis)
    const track = analysis.starving
    if (track === undefined) return
    const left = streams[track]!.length - at[track]
    if (left === 0) analysis.end(track)
    else {
      const size = Math.max(1, Math.min(left, cut(left, at[track])))
      analysis.feed(track, streams[track]!.subarray(at[track], at[track] + size), shippedAtMs?.(at[track]))
      at[track] += size
    }
  }
}

/** What a table that replaces rows of equal keys would hold: one line per row, sorted. */
function stored(rows: readonly OutRow[]): string[] {
  const keysOf = new Map(tables.map(({ name, keys }) => [name, keys]))
  const byKey = new Map<string, string>()
  for (const { table, row } of rows) {
    const key = [table, row.ts, row.source, ...keysOf.get(table)!.map((column) => row[column])].join('|')
    byKey.set(key, `${key} ${JSON.stringify(row)}`)
  }
  return [...byKey.values()].sort()
}

describe('analysis', () => {
  it('gives the hand-worked millisecond its rows', () => {
    const rows = analyze(handWorked).takeRows()
    const of = (table: string) => rows.filter((out) => out.table === table).map((out) => out.row)
    const ns = new Map(of('time_classes').map((row) => [row['class'], row['ns']]))
    const expected = {
      on_cpu: 100e3 + 50e3 + 20e3 + 40e3 + 20e3 + 50e3 + 20e3 + 5e3 + 10e3 + (10e3 + 510e3 + 10e3 + 219e3 + 50e3),
      cpu_stolen: 50e3 + 20e3,
      fault_io: 30e3,
      runtime_futex: 10e3,
      syscall_cpu: 30e3,
      syscall_blocked: 80e3,
      gc_assist: 30e3,
      net_wait: 100e3,
      sched_wait: 10e3 + 10e3 + 10e3 + 10e3 + 2e3 + 15e3,
      sched_wait_kernel: 20e3,
      stw: 30e3 + 20e3,
      sleep: 80e3,
      sync_wait: 90e3 + 100e3,
      // 8 µs of waits whose threads nobody was seen to wake.
      unknown: 35e3 + 46e3 + 3e3 + 5e3,
    }
    assert.deepEqual(
      ns,
      new Map(
        timeClasses.filter((name) => name in expected).map((name) => [name, expected[name as keyof typeof expected]]),
      ),
    )
    const [pause] = of('gc_pauses')
    assert.equal(pause?.ts, `${wallSeconds}000660000`)
    assert.deepEqual(
      [pause['reason'], pause['is_gc'], pause['duration_ns'], pause['stopping_ns'], pause['tid'], pause['goroutine']],
      ['GC mark termination', true, 30e3, 10e3, 101, 2],
    )
    const [delay] = of('netpoll_delays')
    assert.deepEqual(
      [
        delay?.ts,
        delay?.['count'],
        delay?.['poll_to_ready_p50_ns'],
        delay?.['ready_to_run_max_ns'],
        delay?.['total_p99_ns'],
      ],
      [`${wallSeconds}000000000`, 1, 5e3, 40e3, 45e3],
    )
    const [latency] = of('sched_latency')
    assert.deepEqual([latency?.['count'], latency?.['runnable_to_running_max_ns']], [5, 50e3])
    assert.deepEqual([latency?.['wake_count'], latency?.['wake_to_switch_in_max_ns']], [1, 20e3])
    // perf starts in the ten seconds before.
    const [, fit] = of('clock_fits')
    const { method, pairs, residual_p50_ns: residualNs, wall } = fit!
    assert.deepEqual([method, pairs, residualNs, wall], ['monotonic', 1, 5e3, 'gotrace'])
    const health = of('pipeline_health').find((row) => row['track'] === 'perf' && row['lost'] !== 0)
    assert.equal(health?.['lost'], 7)
  })

  it('gives rows that have exactly the columns of their tables', () => {
    const columnsOf = new Map(tables.map(({ name, columns }) => [name, columns.map((column) => column.name)]))
    for (const { table, row } of analyze(demoStreams()).takeRows()) {
      assert.deepEqual(
        Object.keys(row).sort(),
        ['ts', 'source', 'service', 'host', ...columnsOf.get(table)!].sort(),
        table,
      )
    }
  })

  it('gives the same rows however the two streams are cut', () => {
    const streams = demoStreams()
    const expected = stored(analyze(streams).takeRows())
    assert.ok(expected.length > 50)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        let i = 0
        const rows = analyze(streams, () => sizes[i++ % sizes.length]!).takeRows()
        assert.deepEqual(stored(rows), expected)
      }),
      { numRuns: 15 },
    )
  })

  it('goes on from any checkpoint as if nothing had happened', () => {
    const streams = demoStreams()
    const expected = stored(analyze(streams).takeRows())
    const checkpoints: { saved: SavedAnalysis; rowsBefore: OutRow[] }[] = []
    const before: OutRow[] = []
    analyze(
      streams,
      () => 20_000,
      (analysis) => {
        const reached: SavedAnalysis[] = []
        analysis.pump((saved) => reached.push(structuredClone(saved)))
        before.push(...analysis.takeRows())
        for (const saved of reached) checkpoints.push({ saved, rowsBefore: [...before] })
      },
    )
    assert.ok(checkpoints.length >= 2, `${checkpoints.length} checkpoints`)
    for (const { saved, rowsBefore } of checkpoints) {
      const resumed = new Analysis({ ...names, tracks: both }, saved)
      feedAll(resumed, streams, saved.position, () => 50_000)
      assert.deepEqual(stored([...rowsBefore, ...resumed.takeRows()]), expected)
    }
  })

  it('tells from any checkpoint how long what was read before it had been on its way', () => {
    const streams = demoStreams()
    const lagsOf = (rows: readonly OutRow[]) => {
      const lags = new Map<string, number>()
      for (const { table, row } of rows)
        if (table === 'pipeline_health') lags.set(`${row.ts} ${String(row['track'])}`, Number(row['lag_ms']))
      return lags
    }
    const checkpoints = (saved: SavedAnalysis[]) => (own: Analysis) =>
      own.pump((state) => saved.push(structuredClone(state)))
    const first: SavedAnalysis[] = []
    analyze(streams, () => 20_000, checkpoints(first))
    // As a collector does, which cuts behind each generation. All are shipped later than anything that was recorded.
    const ends = first.map(({ position }) => position.gotrace)
    const cut = (left: number, at: number) => (ends.find((end) => end > at) ?? at + left) - at
    const shippedAtMs = (position: number) => Date.UTC(2027, 0) + ends.filter((end) => end <= position).length * 1000
    const whole = new Analysis({ ...names, tracks: both })
    const saved: SavedAnalysis[] = []
    feedAll(whole, streams, { gotrace: 0, perf: 0 }, cut, checkpoints(saved), shippedAtMs)
    const expected = lagsOf(whole.takeRows())
    assert.ok(saved.length >= 2)
    for (const each of saved) {
      const resumed = new Analysis({ ...names, tracks: both }, each)
      feedAll(resumed, streams, each.position, cut, undefined, shippedAtMs)
      for (const [key, lagMs] of lagsOf(resumed.takeRows())) assert.equal(lagMs, expected.get(key), key)
    }
  })

  it('refuses to join when perf used another clock, and still reports the Go track', () => {
    const perf = Buffer.from(
      Buffer.from(handWorked.perf).toString().replace('# clockid: monotonic (1)', '# clockid: boottime (7)'),
    )
    const analysis = analyze({ gotrace: handWorked.gotrace, perf })
    const rows = analysis.takeRows()
    assert.deepEqual([analysis.summary.clock.method, analysis.summary.clock.joined], ['other_clock', false])
    assert.match(analysis.summary.clock.reason, /record with `perf record -k CLOCK_MONOTONIC`/)
    const classes = rows.filter(({ table }) => table === 'time_classes').map(({ row }) => row['class'])
    assert.ok(classes.includes('net_wait') && classes.includes('unknown'))
    assert.ok(!classes.includes('on_cpu') && !classes.includes('cpu_stolen'))
    assert.ok(rows.some(({ table }) => table === 'gc_pauses'))
    assert.ok(rows.some(({ table, row }) => table === 'pipeline_health' && row['track'] === 'perf'))
  })

  it('refuses to join when perf recorded another process, and leaves its half unknown', () => {
    const perf = Buffer.from(
      Buffer.from(handWorked.perf)
        .toString()
        .replaceAll(/99\/10([01])/g, '77/20$1'),
    )
    const analysis = analyze({ gotrace: handWorked.gotrace, perf })
    const rows = analysis.takeRows()
    assert.deepEqual([analysis.summary.clock.method, analysis.summary.commonThreads], ['no_common_thread', 0])
    assert.match(analysis.summary.clock.reason, /another process/)
    const fits = rows.filter(({ table }) => table === 'clock_fits').map(({ row }) => row['method'])
    assert.deepEqual(new Set(fits), new Set(['no_common_thread']))
    assert.ok(!rows.some(({ table, row }) => table === 'time_classes' && row['class'] === 'on_cpu'))
  })

  it('reports a Go trace alone, with every Running ns unknown', () => {
    const analysis = analyze({ gotrace: handWorked.gotrace })
    const rows = analysis.takeRows()
    assert.equal(analysis.summary.clock.method, 'no_perf')
    const ns = new Map(rows.filter(({ table }) => table === 'time_classes').map(({ row }) => [row['class'], row['ns']]))
    assert.equal(ns.get('net_wait'), 100e3)
    assert.ok(!ns.has('on_cpu') && !ns.has('syscall_blocked'))
  })

  it('reports perf alone', () => {
    const analysis = analyze({ perf: handWorked.perf })
    const rows = analysis.takeRows()
    assert.equal(analysis.summary.clock.method, 'no_gotrace')
    const latency = rows.find(({ table }) => table === 'sched_latency')?.row
    assert.deepEqual([latency?.['count'], latency?.['wake_count']], [0, 1])
  })
})
