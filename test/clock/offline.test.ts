import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Row } from '../../src/measures/table.js'
import { analyzeOffline, type OfflineResult, openFiles } from '../../src/pipeline/offline.js'
import { toJsonResult } from '../../src/report/json.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { renderTerminal } from '../../src/report/terminal.js'
import { runCli } from '../support/cli.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { handWorkedPerf, handWorkedTrace, startSeconds, wallSeconds } from '../support/handWorked.js'
import { onClock, retimed } from '../support/perfTimes.js'

const hourNs = 3600e9
const healthy = 'test/captures/healthy'
let folder = ''
let healthyText = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dualtrace-clock-'))
  healthyText = gunzipSync(readFileSync(`${healthy}/perf.script.gz`)).toString('latin1')
})
after(async () => {
  await rm(folder, { recursive: true })
})

async function put(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content, 'latin1')
  return path
}

async function analyze(trace: Uint8Array, perf: string, clock?: { monotonicNs: string; wallNs: string }) {
  const source = await openFiles(await put('go.trace', trace), await put('perf.txt', perf))
  return analyzeOffline({ ...source, names: { ...source.names, clock } })
}

/** ns by class. */
function classesOf({ rows }: OfflineResult): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { table, row } of rows) {
    if (table !== 'time_classes') continue
    const name = String(row['class'])
    sums[name] = (sums[name] ?? 0) + Number(row['ns'])
  }
  return sums
}

describe('two tracks that say CLOCK_MONOTONIC', () => {
  it('have no joined row when what must coincide does not', async () => {
    const trace = readFileSync(`${healthy}/go.trace`)
    const { clock, fit } = (await analyze(trace, healthyText)).summary
    assert.deepEqual([clock.method, fit.unmatched < fit.pairs / 100], ['monotonic', true])
    const alone = await listened(undefined)
    for (const shiftNs of [0.5e6, 3e6, -3e6]) {
      const shifted = await put(
        'shifted.txt',
        retimed(healthyText, (ns) => ns + shiftNs),
      )
      const { result, heard } = await listened(shifted)
      const { summary, rows } = result
      assert.deepEqual([summary.clock.method, summary.clock.joined], ['unaligned', false])
      assert.match(summary.clock.reason, /both tracks say CLOCK_MONOTONIC.*different processes or times/)
      assert.ok(summary.fit.unmatched > 9 * summary.fit.pairs)
      const methods = new Set(rows.filter(({ table }) => table === 'clock_fits').map(({ row }) => row['method']))
      assert.deepEqual([...methods], ['unaligned'])
      assert.deepEqual(classesOf(result), classesOf(alone.result))
      // Who listens has not kept anything of the first reading either.
      assert.ok(heard > 0)
      assert.equal(heard, alone.heard)
    }
  })

  it('are not read again from stdin: one sentence says what to give instead', async () => {
    const args = ['diagnose', '--trace', `${healthy}/go.trace`, '--perf', '-']
    const input = Buffer.from(
      retimed(healthyText, (ns) => ns + 3e6),
      'latin1',
    )
    const { code, stdout, stderr } = await runCli(args, { input })
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /different processes or times.*stdin \(-\) cannot be read a second time.*give both as files/)
  })
})

describe('stdin of another clock', () => {
  it('is put aside while it is fitted, and nothing of it is left', async () => {
    const temporary = await mkdtemp(join(folder, 'tmp-'))
    const args = ['diagnose', '--trace', `${healthy}/go.trace`, '--perf', '-', '--json', '-']
    const input = Buffer.from(
      onClock(healthyText, (ns) => ns - 2e6),
      'latin1',
    )
    const { code, stdout } = await runCli(args, { input, env: { TMPDIR: temporary } })
    assert.equal(code, 0)
    const { clock } = JSON.parse(stdout) as { clock: { method: string; offset_ns: number } }
    assert.equal(clock.method, 'fitted')
    assert.ok(Math.abs(clock.offset_ns + 2e6) < 20e3, `${clock.offset_ns} ns`)
    assert.deepEqual(await readdir(temporary), [])
  })
})

describe('a clock that was fitted', () => {
  it('says to how many pairs and how near, in the summary, in its rows and at the terminal', async () => {
    const trace = readFileSync(`${healthy}/go.trace`)
    const result = await analyze(
      trace,
      onClock(healthyText, (ns) => ns - 2e6),
    )
    const { clock, tables } = DiagnoseResult.parse(toJsonResult(result))
    assert.equal(clock.method, 'fitted')
    assert.ok(clock.fit_pairs! > 1000, `${clock.fit_pairs} pairs`)
    assert.ok(clock.fit_residual_p99_ns! < 20e3, `${clock.fit_residual_p99_ns} ns`)
    const rows = (tables as Record<string, Row[]>)['clock_fits']!
    assert.ok(rows.length > 0)
    for (const row of rows) assert.deepEqual(fitIn(row), fitIn(clock))
    assert.match(
      renderTerminal(result, false),
      /differs from Go’s by -2.00 ms and -?0.\d\d ppm, fitted to [\d,]+ pairs, residual p50 [\d.]+ [nµ]s, p99 [\d.]+ µs, \d+ common threads;/,
    )
  })

  it('is none where both say CLOCK_MONOTONIC', async () => {
    const result = await analyze(readFileSync(`${healthy}/go.trace`), healthyText)
    assert.deepEqual(fitIn(toJsonResult(result).clock), [null, null, null])
    assert.doesNotMatch(renderTerminal(result, false), /fitted to/)
  })
})

function fitIn(told: Readonly<Record<string, unknown>>): unknown[] {
  return ['fit_pairs', 'fit_residual_p50_ns', 'fit_residual_p99_ns'].map((name) => told[name])
}

/** The healthy capture with another perf text, and how much time a listener was told of, ns. */
async function listened(perf: string | undefined) {
  let heard = 0
  const result = await analyzeOffline(await openFiles(`${healthy}/go.trace`, perf), () => {
    heard = 0
    return { listeners: [{ segment: (_goroutine, fromNs, toNs) => (heard += toNs - fromNs) }] }
  })
  return { result, heard }
}

/** perf's text of the hand-worked millisecond on another clock, which is `aheadNs` ahead of CLOCK_MONOTONIC. */
function onNamedClock(name: string, aheadNs: number, hasReference = true): string {
  const atNs = startSeconds * 1e9 + aheadNs
  const decimal = (ns: number) => `${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}`
  const reference = `# reference time: 2023-11-14 22:13:20.000000 = ${wallSeconds}.000000 (TOD) = ${decimal(atNs)} (${name.split(' ')[0]!})\n`
  const text = retimed(Buffer.from(handWorkedPerf()).toString('latin1'), (ns) => ns + aheadNs)
  return text.replace('# clockid: monotonic (1)\n', `# clockid: ${name}\n${hasReference ? reference : ''}`)
}

const manifest = { monotonicNs: String(startSeconds * 1e9), wallNs: String(wallSeconds * 1e9) }
const oldTrace = () => handWorkedTrace(new GoTraceWriter(startSeconds * 1e9, undefined))

describe('too little to fit a clock to', () => {
  it('is joined by what both say of the wall clock, whichever clock perf names', async () => {
    const joined = await analyze(handWorkedTrace(), Buffer.from(handWorkedPerf()).toString('latin1'))
    assert.equal(joined.summary.clock.method, 'monotonic')
    for (const [name, aheadNs] of [
      ['boottime (7)', 5 * hourNs],
      ['monotonic_raw (4)', -3e6],
      ['tai (11)', 2400 * hourNs],
    ] as const) {
      const result = await analyze(handWorkedTrace(), onNamedClock(name, aheadNs))
      const { clock, wallSource, fromWallNs } = result.summary
      assert.deepEqual([clock.method, clock.joined, wallSource], ['reference', true, 'gotrace'], clock.reason)
      assert.equal(fromWallNs, joined.summary.fromWallNs)
      assert.deepEqual(classesOf(result), classesOf(joined))
    }
    // A trace of Go 1.24 or older does not know the wall clock; the manifest does.
    const { clock, wallSource, fromWallNs } = (await analyze(oldTrace(), onNamedClock('boottime (7)', 5e9), manifest))
      .summary
    assert.deepEqual([clock.method, wallSource], ['reference', 'perf'])
    assert.equal(fromWallNs, joined.summary.fromWallNs)
  })

  it('is not joined when one of them knows nothing of the wall clock, and perf’s is not taken for Go’s', async () => {
    const unknown = (await analyze(oldTrace(), onNamedClock('boottime (7)', hourNs))).summary
    assert.deepEqual([unknown.clock.method, unknown.clock.joined, unknown.wallSource], ['fit_failed', false, 'none'])
    const silent = (await analyze(oldTrace(), onNamedClock('boottime (7)', hourNs, false), manifest)).summary
    assert.deepEqual([silent.clock.joined, silent.wallSource], [false, 'manifest'])
  })
})

describe('the wall time of rows', () => {
  it('is that of the recording when perf’s clock was fitted, from the trace', async () => {
    const trace = readFileSync(`${healthy}/go.trace`)
    const recorded = (await analyze(trace, healthyText)).summary
    const fitted = (
      await analyze(
        trace,
        onClock(healthyText, (ns) => ns + 7 * hourNs),
      )
    ).summary
    assert.deepEqual([fitted.clock.method, fitted.wallSource], ['fitted', 'gotrace'])
    const apartNs = Number(BigInt(fitted.fromWallNs!) - BigInt(recorded.fromWallNs!))
    assert.ok(Math.abs(apartNs) < 20e3, `${apartNs} ns`)
  })

  it('is said to be that of the trace, of perf, of the manifest or none, at the terminal and in clock_fits', async () => {
    const saidOf = (result: OfflineResult) => {
      const walls = result.rows.filter(({ table }) => table === 'clock_fits').map(({ row }) => row['wall'])
      const [header] = renderTerminal(result, false).split('\n')
      return [header!.slice(header!.indexOf('(')), ...new Set(walls)]
    }
    const boottime = (hasReference: boolean) => onNamedClock('boottime (7)', 5e9, hasReference)
    const ofTrace = await analyze(handWorkedTrace(), boottime(true), manifest)
    assert.deepEqual(saidOf(ofTrace), ['(wall time from the trace)', 'gotrace'])
    const ofPerf = await analyze(oldTrace(), boottime(true), manifest)
    assert.deepEqual(saidOf(ofPerf), ['(wall time from perf)', 'perf'])
    const ofManifest = await analyze(oldTrace(), boottime(false), manifest)
    assert.deepEqual(saidOf(ofManifest), ['(wall time from the manifest)', 'manifest'])
    assert.deepEqual(saidOf(await analyze(oldTrace(), boottime(false))), ['(the recording says no wall time)', 'none'])
    const ownClock = await openFiles('test/captures/gotrace/go1.21.trace', undefined)
    const approximate = await analyzeOffline({ ...ownClock, names: { ...ownClock.names, clock: manifest } })
    assert.deepEqual(saidOf(approximate), [
      '(wall time from the manifest, as if the trace began when the recording did)',
      'manifest',
    ])
  })
})

describe('several traces in one file', () => {
  it('are joined when they are of Go 1.22 or newer, each at its time', async () => {
    const later = handWorkedTrace(new GoTraceWriter((startSeconds + 7) * 1e9, wallSeconds + 7))
    const perf = Buffer.from(handWorkedPerf()).toString('latin1')
    const one = classesOf(await analyze(handWorkedTrace(), perf))
    const both = await analyze(Buffer.concat([handWorkedTrace(), later]), perf + retimed(perf, (ns) => ns + 7e9))
    assert.deepEqual([both.summary.clock.method, both.summary.problems], ['monotonic', []])
    const doubled = Object.fromEntries(Object.entries(one).map(([name, ns]) => [name, 2 * ns]))
    assert.deepEqual(classesOf(both), doubled)
  })

  it('are refused in one sentence when they are older, with perf and without', async () => {
    const old = readFileSync('test/captures/gotrace/go1.20.trace')
    const path = await put('old.trace', Buffer.concat([old, old]))
    for (const perf of [undefined, await put('perf.txt', healthyText)]) {
      await assert.rejects(
        openFiles(path, perf).then((source) => analyzeOffline(source)),
        {
          message: `${path} holds several traces of Go 1.21 or older, which cannot be put on one axis: give one file for each`,
        },
      )
    }
  })
})
