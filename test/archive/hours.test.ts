import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { capturesOf } from '../../src/archive/catalog.js'
import { readTrack } from '../../src/archive/trackReader.js'
import { verifyCapture } from '../../src/archive/verify.js'
import type { OutRow } from '../../src/measures/measure.js'
import { ArchivedRun } from '../../src/pipeline/archive/archivedRun.js'
import { cutterFor } from '../../src/pipeline/cutter.js'
import { readCapture } from '../../src/capture/directory.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { recomputeRun } from '../../src/pipeline/reprocess/run.js'
import { searchCapture } from '../../src/pipeline/search/capture.js'
import { packageRoot } from '../../src/stack/paths.js'
import type { Envelope, Track } from '../../src/transport/envelope.js'
import { tracks } from '../../src/transport/topics.js'
import { noKeeper } from '../support/archive.js'
import { computedRows, withoutLag } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const original: Record<Track, Buffer> = {
  gotrace: readFileSync(join(capture, 'go.trace')),
  perf: gunzipSync(readFileSync(join(capture, 'perf.script.gz'))),
}
const hourNs = 3_600_000_000_000n

describe('a run in the archive', () => {
  let archive: string
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-hours-'))))
  afterEach(() => rmSync(archive, { recursive: true, force: true }))

  /** As if 3 s after its begin a new hour had begun, by the clock the archive goes by. */
  async function envelope(): Promise<Omit<Envelope, 'track' | 'position'>> {
    const { manifest } = await readCapture(capture)
    const firstNs =
      BigInt(Math.trunc(Number(/ ([1-9]\d*)\.\d{9}: /.exec(original.perf.toString('latin1', 0, 1 << 20))![1]))) *
      1_000_000_000n
    return {
      schema: '1',
      source: manifest.source,
      service: manifest.service,
      host: manifest.host,
      stream: '00000000000001-abc',
      tracks: 'gotrace,perf',
      perfClock: 'CLOCK_MONOTONIC',
      clockMonotonicNs: String(firstNs + 3_000_000_000n),
      clockWallNs: String(500_000n * hourNs),
    }
  }

  /** Archives the capture message by message, forgetting everything and starting again after every `restartEvery` messages of a track. */
  async function fill(restartEvery: number, skipBytes = 0) {
    const head = await envelope()
    let run = await ArchivedRun.open(archive, { ...head, track: 'perf', position: 0 }, 0, noKeeper)
    for (const track of tracks) {
      const cutter = cutterFor(track, 30_000)
      const pieces = [...cutter.push(original[track]), ...cutter.end()]
      let offset = 100n
      for (const { position, bytes, generation, sequence, last, traceVersion } of pieces) {
        offset++
        if (position < skipBytes) continue
        const cut = track === 'gotrace' ? { generation, sequence, last, traceVersion } : {}
        const message = { offset, key: '', headers: {}, value: bytes }
        await run.accept({ ...head, track, position, shippedAtMs: Number(offset), ...cut }, message, 3)
        if (Number(offset) % restartEvery !== 0) continue
        await run.flush()
        // What had been read and waits for the rest of its generation comes again.
        if (run.neededFrom(track) === undefined)
          run = await ArchivedRun.open(archive, { ...head, track, position }, 0, noKeeper)
      }
      const message = { offset: offset + 1n, key: '', headers: {}, value: new Uint8Array(0) }
      await run.accept({ ...head, track, position: original[track].length, end: true }, message, 3)
    }
    await run.flush()
    return capturesOf(archive, head.source, head.stream)
  }

  async function joined(captures: Awaited<ReturnType<typeof fill>>, track: Track, from = 0): Promise<Buffer> {
    const found: Uint8Array[] = []
    for await (const { bytes } of readTrack(captures, track, from, (detail) => assert.equal(detail, undefined)))
      found.push(Uint8Array.from(bytes))
    return Buffer.concat(found)
  }

  it('lies in a directory for each hour of its data, each a capture by itself', async () => {
    const captures = await fill(7)
    assert.deepEqual(
      captures.map(({ manifest }) => manifest.archive.hour),
      ['2027-01-15T07', '2027-01-15T08'],
    )
    for (const each of captures) {
      assert.deepEqual(await verifyCapture(each), [])
      const { summary, rows } = await analyzeCapture(each.directory)
      assert.ok(summary.goEvents > 1000 && summary.perfRecords > 1000)
      assert.ok(rows.some(({ table }) => table === 'gc_pauses'))
    }
  })

  it('is put together again byte for byte, from any position', async () => {
    const captures = await fill(5)
    for (const track of tracks) {
      assert.ok((await joined(captures, track)).equals(original[track]))
      for (const share of [0.1, 0.5, 0.77, 1]) {
        const from = Math.floor(original[track].length * share)
        assert.equal((await joined(captures, track, from)).length, original[track].length - from)
      }
    }
  })

  it('gives the rows of the whole capture, also those of what goes on from one hour to the next', async () => {
    const captures = await fill(1000)
    const { manifest } = captures[0]!
    const rows: OutRow[] = []
    let states = 0
    const { source } = manifest
    const options = {
      thresholds: undefined,
      range: { sinceNs: undefined, untilNs: undefined },
      onRows: (more: OutRow[]) => Promise.resolve(void rows.push(...more)),
      onState: () => {
        states++
        return Promise.resolve()
      },
      wantsState: () => true,
      onProgress: () => undefined,
    }
    const run = { source, stream: manifest.archive.stream, captures, isOver: true }
    assert.deepEqual(await recomputeRun(run, { ...options, saved: undefined }), { warmedUp: false, problems: [] })
    assert.ok(states > 2)
    const offline = await analyzeCapture(capture)
    assert.deepEqual(withoutLag(computedRows(rows, source)), withoutLag(computedRows(offline.rows, source)))

    // What was known at the begin of the second hour was left there.
    const whole = rows.splice(0)
    await recomputeRun({ ...run, captures: captures.slice(1) }, { ...options, saved: undefined })
    const sinceNs = BigInt(rows.find(({ table }) => table === 'time_classes')!.row.ts)
    const later = (of: OutRow[]) => of.filter(({ row }) => BigInt(row.ts) >= sinceNs)
    assert.ok(later(whole).length < whole.length)
    assert.ok(later(whole).length > 20)
    assert.deepEqual(computedRows(later(rows), source), computedRows(later(whole), source))
  })

  it('leaves alone the first minute of rows of a run whose begin is not there', async () => {
    const captures = await fill(1000, 60_000)
    const rows: OutRow[] = []
    const run = { source: '', stream: '', captures, isOver: true }
    const result = await recomputeRun(run, {
      thresholds: undefined,
      range: { sinceNs: undefined, untilNs: undefined },
      saved: undefined,
      onRows: (more) => Promise.resolve(void rows.push(...more)),
      onState: () => Promise.resolve(),
      wantsState: () => false,
      onProgress: () => undefined,
    })
    assert.deepEqual(result, { warmedUp: true, problems: [] })
    assert.equal(rows.length, 0)
  })

  it('is readable from the next generation on when the messages before that are not in Kafka any more', async () => {
    const captures = await fill(7, 60_000)
    const withTrace = captures.filter(({ manifest }) => manifest.archive.gotrace !== undefined)
    assert.ok(withTrace.length > 0)
    for (const each of withTrace) {
      const { summary } = await analyzeCapture(each.directory)
      assert.ok(summary.goEvents > 1000, JSON.stringify(summary))
      assert.deepEqual(await verifyCapture(each), [])
    }
  })

  it('is searched for what fits a condition, with the evidence', async () => {
    const captures = await fill(1000)
    const answers = await Promise.all(
      captures.map(({ directory }) => searchCapture({ archive, directory, condition: 'gc pause > 10ms' })),
    )
    const found = answers.flatMap((answer) => (answer.kind === 'done' ? answer.matches : []))
    const { rows } = await analyzeCapture(capture)
    const expected = rows
      .filter(({ table, row }) => table === 'gc_pauses' && row['is_gc'] === true && Number(row['duration_ns']) > 10e6)
      .map(({ row }) => [row.ts, row['duration_ns'], row['reason']])
    assert.ok(expected.length > 0)
    assert.deepEqual(
      found.map(({ durationNs, evidence }) => [durationNs, evidence['reason']]),
      expected.map(([, durationNs, reason]) => [durationNs, reason]),
    )
    // An hour is dated by its own first reading of the clocks, which differs by some ns from the one before.
    for (const [index, { from }] of found.entries())
      assert.ok(Math.abs(Number(BigInt(from) - BigInt(String(expected[index]![0])))) < 1000)
  })

  it('is damaged when a byte of a file changes or its end is missing', async () => {
    const [first, second] = await fill(1000)
    const path = join(first!.directory, 'go.trace.gz')
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    assert.match((await verifyCapture(first!)).join('\n'), /go\.trace\.gz: its checksum is not the one in the manifest/)
    const perf = join(second!.directory, 'perf.script.gz')
    writeFileSync(perf, readFileSync(perf).subarray(0, 1000))
    assert.match((await verifyCapture(second!)).join('\n'), /perf\.script\.gz: it has 1000 bytes, and should have \d+/)
  })
})
