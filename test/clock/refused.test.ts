import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import type { OutRow } from '../../src/measures/measure.js'
import { retimed } from '../support/perfTimes.js'

const capture = 'test/captures/stw-netpoll'
const options = { source: 'h/s/1/t', service: 's', host: 'h', tracks: { gotrace: true, perf: true } }

describe('a stream whose join is refused on its way', () => {
  it('is told unjoined from the end of that second on, over a checkpoint as well', () => {
    const text = gunzipSync(readFileSync(`${capture}/perf.script.gz`)).toString('latin1')
    const streams = {
      gotrace: readFileSync(`${capture}/go.trace`),
      perf: Buffer.from(
        retimed(text, (ns) => ns + 3e6),
        'latin1',
      ),
    }
    const checkpoints: SavedAnalysis[] = []
    const whole = new Analysis(options)
    const rows = feed(whole, streams, { gotrace: 0, perf: 0 }, (saved) => checkpoints.push(structuredClone(saved)))
    assert.equal(whole.summary.clock.method, 'unaligned')
    const fits = rows.filter(({ table }) => table === 'clock_fits').map(({ row }) => row['method'])
    assert.ok(fits.includes('unaligned'))
    const joined = secondsOf(rows, 'on_cpu')
    const all = secondsOf(rows, 'net_wait')
    assert.ok(joined.length >= 1 && joined.length < all.length - 2, `${joined.length} of ${all.length} s are joined`)
    assert.deepEqual(joined, all.slice(0, joined.length))

    const after = checkpoints.find(({ state }) => state.progress.refusedFor !== undefined)!
    const resumed = feed(new Analysis(options, after), streams, after.position)
    assert.ok(resumed.length > 0)
    const known = new Set(rows.map((row) => JSON.stringify(row)))
    for (const row of resumed) assert.ok(known.has(JSON.stringify(row)), JSON.stringify(row))
  })
})

function secondsOf(rows: readonly OutRow[], name: string): string[] {
  const seconds = rows.filter(({ table, row }) => table === 'time_classes' && row['class'] === name)
  return seconds.map(({ row }) => row.ts).sort()
}

function feed(
  analysis: Analysis,
  streams: Readonly<Record<'gotrace' | 'perf', Buffer>>,
  from: Readonly<Record<'gotrace' | 'perf', number>>,
  onCheckpoint?: (saved: SavedAnalysis) => void,
): OutRow[] {
  const at = { ...from }
  const rows: OutRow[] = []
  for (;;) {
    analysis.pump(onCheckpoint)
    rows.push(...analysis.takeRows())
    const track = analysis.starving
    if (track === undefined) return rows
    const bytes = streams[track].subarray(at[track], at[track] + 20_000)
    at[track] += bytes.length
    if (bytes.length === 0) analysis.end(track)
    else analysis.feed(track, bytes)
  }
}
