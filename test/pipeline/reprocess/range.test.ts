import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ArchivedCapture, readCatalog } from '../../../src/archive/catalog.js'
import type { OutRow } from '../../../src/measures/measure.js'
import { tables } from '../../../src/measures/tables.js'
import type { Range } from '../../../src/pipeline/reprocess/reading.js'
import { recomputeRun, type SavedRun } from '../../../src/pipeline/reprocess/run.js'
import { packageRoot } from '../../../src/stack/paths.js'
import { archiveLongRun } from '../../support/longRun.js'
import { computedRows, type RowsByTable } from '../../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/healthy')
const source = 'host/long/1/2026'
/** The capture begins at 16:23:50. */
const hours = ['2026-11-23T16', '2026-11-23T17', '2026-11-23T18', '2026-11-23T19']
const atSeconds = [0, 2400, 6000, 8000, 9600]
const nsOf = (time: string) => BigInt(Date.parse(time)) * 1_000_000n
const lastHour: Range = { sinceNs: nsOf('2026-11-23T19:00:00Z'), untilNs: nsOf('2026-11-23T20:00:00Z') }

interface Computed {
  readonly rows: OutRow[]
  readonly kept: Map<string, number>
  readonly readBytes: number
  readonly warmUpBytes: number
  readonly states: SavedRun[]
  readonly warmedUp: boolean
}

describe('reprocessing a range of a long run', () => {
  let archive: string
  let captures: readonly ArchivedCapture[]
  let whole: Computed

  before(async () => {
    archive = mkdtempSync(join(tmpdir(), 'dualtrace-range-'))
    await archiveLongRun(capture, { archive, source, atSeconds })
    captures = (await readCatalog(archive)).captures
    assert.deepEqual(
      captures.map(({ manifest }) => manifest.archive.hour),
      hours,
    )
    whole = await compute({ sinceNs: undefined, untilNs: undefined })
  })
  after(() => rmSync(archive, { recursive: true, force: true }))

  /** As if nobody had ever read the run. */
  function forgetStates(): void {
    for (const { directory } of captures)
      for (const name of readdirSync(directory).filter((each) => each.endsWith('.state'))) rmSync(join(directory, name))
  }

  async function compute(
    range: Range,
    { whole = false, saved }: { whole?: boolean; saved?: SavedRun } = {},
    given = captures,
  ): Promise<Computed> {
    const found = { rows: [] as OutRow[], kept: new Map<string, number>(), readBytes: 0, warmUpBytes: 0 }
    const states: SavedRun[] = []
    const result = await recomputeRun(
      { source, stream: '', captures: given, isOver: true },
      {
        ...{ thresholds: undefined, range, whole, saved },
        onRows: (more) => Promise.resolve(void found.rows.push(...more)),
        onKept: (table) => void found.kept.set(table, (found.kept.get(table) ?? 0) + 1),
        onState: (state) => Promise.resolve(void states.push(state)),
        wantsState: () => true,
        onProgress(bytes, isWarmUp) {
          found.readBytes += bytes
          if (isWarmUp) found.warmUpBytes += bytes
        },
      },
    )
    assert.deepEqual(result.problems, [])
    return { ...found, states, warmedUp: result.warmedUp }
  }

  /** Of a range, from a reading of the whole run. */
  function within(rows: readonly OutRow[], { sinceNs, untilNs }: Range): RowsByTable {
    const own = rows.filter(({ row }) => BigInt(row.ts) >= sinceNs! && BigInt(row.ts) < untilNs!)
    return computedRows(own, source)
  }

  it('gives every row of the whole run when somebody has read the hours before', async () => {
    for (const given of [captures, captures.slice(2)]) {
      const part = await compute(lastHour, {}, given)
      assert.deepEqual(computedRows(part.rows, source), within(whole.rows, lastHour))
      assert.deepEqual([part.kept.size, part.warmedUp], [0, false])
      // The run has 5 repetitions: one lies in the last hour, two in the one before.
      assert.ok(part.readBytes < (whole.readBytes / 5) * 3.2, `${part.readBytes} of ${whole.readBytes} bytes`)
      assert.ok(part.warmUpBytes > part.readBytes / 2 && part.warmUpBytes < part.readBytes)
    }
  })

  it('reads no more when nobody has, and leaves alone what may depend on the hours before', async () => {
    forgetStates()
    const part = await compute(lastHour)
    const expected = within(whole.rows, lastHour)
    const found = computedRows(part.rows, source)
    assert.ok(part.rows.length > 100 && !part.warmedUp)
    for (const { name } of tables) {
      const known = new Set(expected[name]!.map((row) => JSON.stringify(row)))
      for (const row of found[name]!) assert.ok(known.has(JSON.stringify(row)), `${name}: ${JSON.stringify(row)}`)
      if (!part.kept.has(name)) assert.deepEqual(found[name], expected[name], name)
    }
    assert.deepEqual([...part.kept.keys()].sort(), [
      'flames',
      'goroutine_starts',
      'goroutines',
      'pipeline_health',
      'regions',
      'samples',
      'time_classes',
    ])
    assert.ok(part.readBytes < (whole.readBytes / 5) * 3.2, `${part.readBytes} of ${whole.readBytes} bytes`)
    // What is not known is not left behind as if it were.
    assert.ok(captures.every(({ directory }) => readdirSync(directory).every((name) => !name.endsWith('.state'))))
  })

  it('goes on from any state of an earlier attempt, also when the hours before it have gone', async () => {
    const first = await compute(lastHour)
    assert.ok(first.states.length > 4)
    const rest = await compute(lastHour, { saved: structuredClone(first.states.at(-2)!) }, captures.slice(3))
    const all = new Set(first.rows.map((row) => JSON.stringify(row)))
    assert.ok(rest.rows.length > 0)
    for (const row of rest.rows) assert.ok(all.has(JSON.stringify(row)), JSON.stringify(row))
    assert.ok(rest.readBytes < first.readBytes)
  })

  it('begins anew, with the minute that it does not know left out, when what follows such a state has gone', async () => {
    forgetStates()
    const { states } = await compute(lastHour)
    const anew = await compute(lastHour, { saved: structuredClone(states[0]!) }, captures.slice(3))
    assert.deepEqual([anew.warmedUp, anew.rows.length], [true, 0])
  })
})
