import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Analysis, type SavedAnalysis } from '../../src/analysis/analysis.js'
import type { OutRow, Track } from '../../src/measures/measure.js'
import { upsertKeys } from '../../src/store/ddl.js'
import { tables } from '../../src/measures/tables.js'

type Streams = Readonly<Record<Track, Uint8Array>>
const capture = 'test/captures/stw-netpoll'
const tracks = ['gotrace', 'perf'] as const
const options = { source: 'h/svc/99/0', service: 'svc', host: 'h', tracks: { gotrace: true, perf: true } }

/** Where in the tracks something is wrong, as shares of their length. */
interface Damage {
  readonly go: readonly number[]
  readonly perf: readonly number[]
  readonly goUpTo: number
  readonly perfUpTo: number
}

const whole: Streams = {
  gotrace: readFileSync(`${capture}/go.trace`),
  perf: gunzipSync(readFileSync(`${capture}/perf.script.gz`)),
}

/** Overwrites 40 bytes at every place named, and leaves the end out. */
function damaged({ go, perf, goUpTo, perfUpTo }: Damage): Streams {
  const broken = (bytes: Uint8Array, places: readonly number[], upTo: number) => {
    const copy = Uint8Array.from(bytes)
    for (const place of places) copy.fill(0x3f, Math.floor(place * copy.length), Math.floor(place * copy.length) + 40)
    return copy.subarray(0, Math.floor(upTo * copy.length))
  }
  return { gotrace: broken(whole.gotrace, go, goUpTo), perf: broken(whole.perf, perf, perfUpTo) }
}

function atOnce(streams: Streams): OutRow[] {
  const analysis = new Analysis(options)
  for (const track of tracks) {
    analysis.feed(track, streams[track])
    analysis.end(track)
  }
  analysis.pump()
  return analysis.takeRows()
}

/** Feeds what is asked for in pieces of the sizes; with each checkpoint goes the number of rows before it. */
function inPieces(streams: Streams, sizes: readonly number[], from?: SavedAnalysis) {
  const analysis = new Analysis(options, from && structuredClone(from))
  const at = from === undefined ? { gotrace: 0, perf: 0 } : { ...from.position }
  const rows: OutRow[] = []
  const checkpoints: { saved: SavedAnalysis; rowsBefore: number }[] = []
  for (let piece = 0; ; piece++) {
    const reached: SavedAnalysis[] = []
    analysis.pump((saved) => reached.push(structuredClone(saved)))
    rows.push(...analysis.takeRows())
    for (const saved of reached) checkpoints.push({ saved, rowsBefore: rows.length })
    const track = analysis.starving
    if (track === undefined) return { rows, checkpoints }
    const end = at[track] + sizes[piece % sizes.length]!
    if (at[track] === streams[track].length) analysis.end(track)
    else analysis.feed(track, streams[track].subarray(at[track], end))
    at[track] = Math.min(end, streams[track].length)
  }
}

/** The first rows that only one side has: whole tables would hide them. */
function difference(actual: readonly string[], expected: readonly string[]): readonly string[] {
  const [known, wanted] = [new Set(actual), new Set(expected)]
  const extra = actual.filter((row) => !wanted.has(row)).map((row) => `+ ${row}`)
  const missing = expected.filter((row) => !known.has(row)).map((row) => `- ${row}`)
  return [...extra.slice(0, 3), ...missing.slice(0, 3)]
}

function stored(rows: readonly OutRow[]): string[] {
  const keysOf = new Map(tables.map((table) => [table.name, upsertKeys(table)]))
  const byKey = new Map<string, string>()
  for (const { table, row } of rows) {
    const key = [table, ...keysOf.get(table)!.map((name) => row[name])].join('|')
    byKey.set(key, `${key} ${JSON.stringify(row)}`)
  }
  return [...byKey.values()].sort()
}

describe('the analysis of damaged streams', () => {
  const place = fc.double({ min: 0.001, max: 0.999, noNaN: true })
  const places = fc.array(place, { maxLength: 6 })
  const upTo = fc.oneof(fc.constant(1), fc.double({ min: 0.05, max: 1, noNaN: true }))
  const damage = fc.record({ go: places, perf: places, goUpTo: upTo, perfUpTo: upTo })
  const sizes = fc.array(fc.integer({ min: 5_000, max: 400_000 }), { minLength: 1, maxLength: 10 })

  it('gives the same rows at once, in pieces, and from any checkpoint', () => {
    fc.assert(
      fc.property(damage, sizes, fc.nat(), (where, cut, choice) => {
        const streams = damaged(where)
        const expected = stored(atOnce(streams))
        const { rows, checkpoints } = inPieces(streams, cut)
        assert.deepEqual(difference(stored(rows), expected), [])
        if (checkpoints.length === 0) return
        const { saved, rowsBefore } = checkpoints[choice % checkpoints.length]!
        const resumed = inPieces(streams, cut, saved)
        assert.deepEqual(difference(stored([...rows.slice(0, rowsBefore), ...resumed.rows]), expected), [])
      }),
      { numRuns: 12 },
    )
  })
})
