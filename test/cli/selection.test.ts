import assert from 'node:assert/strict'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'

const demo = 'test/captures/stw-netpoll'
/** A third of its bytes: for what asks nothing of them. */
const healthy = 'test/captures/healthy'

async function diagnose(...flags: string[]) {
  const { code, stdout, stderr } = await runCli(['diagnose', healthy, '--json', '-', ...flags])
  assert.deepEqual([code, stderr], [0, ''])
  const { capture, tables, findings } = DiagnoseResult.parse(JSON.parse(stdout))
  return { windows: capture.windows, from: BigInt(capture.from!), tables: tables as Record<string, Row[]>, findings }
}

describe('dualtrace diagnose, on a part of a capture', () => {
  it('takes its borders as offsets, as ISO time and as ns since the epoch', async () => {
    const byOffset = await diagnose('--from', '+1.25s', '--to', '+1500ms')
    const { from, to } = byOffset.windows![0]!
    assert.deepEqual([BigInt(from) - byOffset.from, BigInt(to) - byOffset.from], [1_250_000_000n, 1_500_000_000n])
    const seconds = (ns: string) => new Date(Number(BigInt(ns) / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
    const iso = (ns: string) => `${seconds(ns)}.${ns.slice(-9)}Z`
    assert.deepEqual(await diagnose('--from', from, '--to', to), byOffset)
    assert.deepEqual(await diagnose('--from', iso(from), '--to', iso(to)), byOffset)
  })

  it('looks around what fits a condition, with a margin', async () => {
    const { windows, tables } = await diagnose('--around', 'longest gc pause', '--margin', '0ms')
    assert.equal(windows!.length, 1)
    const lengthNs = Number(BigInt(windows![0]!.to) - BigInt(windows![0]!.from))
    const pauses = tables['gc_pauses']!
    assert.deepEqual(
      pauses.map((row) => [row.ts, row['duration_ns']]),
      [[windows![0]!.from, lengthNs]],
    )
    const wider = await diagnose('--around', 'longest gc pause', '--margin', '5ms')
    assert.equal(Number(BigInt(wider.windows![0]!.to) - BigInt(wider.windows![0]!.from)), lengthNs + 10e6)
    const all = (await diagnose()).tables['gc_pauses']!.filter((row) => row['is_gc'] === true)
    assert.equal(lengthNs, Math.max(...all.map((row) => Number(row['duration_ns']))))
  })

  it('says in the text what it is about', async () => {
    const { stdout } = await runCli(['diagnose', healthy, '--from', '+1s', '--to', '+1.5s'])
    assert.match(stdout, /^window {2}500 ms: \+1\.000000 s to \+1\.500000 s$/m)
  })

  it('refuses in one sentence what chooses nothing', async () => {
    const cases: [args: string[], says: RegExp][] = [
      [['--from', 'yesterday'], /--from yesterday is no time: write 2026-01-31T12:00:00\.5Z/],
      [['--from', '+2s', '--to', '+1s'], /--from lies behind --to/],
      [['--from', '+2 parsecs'], /--from 2 parsecs is no duration/],
      [['--margin', '1ms'], /--margin belongs to --around/],
      [['--around', 'gc pause > 10s'], /nothing in the capture fits "gc pause > 10s"/],
      [['--around', 'bogus > 1s'], /"bogus > 1s" is no condition/],
      [['--goroutine', 'main'], /--goroutine main is no goroutine id/],
      [['--from', '+90s'], /nothing was recorded in the selected time: the recording ends at \+\d\.\d{3} s/],
      [['--goroutine', '99999'], /there is no goroutine 99999 in the trace/],
    ]
    for (const [args, says] of cases) {
      const { code, stdout, stderr } = await runCli(['diagnose', healthy, ...args])
      assert.deepEqual([code, stdout, stderr.trimEnd().split('\n').length], [2, '', 1], stderr)
      assert.match(stderr, says)
    }
    const twice = await runCli(['diagnose', '--trace', '-', '--around', 'gc pause > 1ms'])
    assert.equal(twice.code, 2)
    assert.match(twice.stderr, /reads the input twice, which stdin \(-\) cannot/)
  })
})

describe('dualtrace fold, of time', () => {
  const perf = `${demo}/perf.script.gz`
  const trace = `${demo}/go.trace`
  const fold = async (...flags: string[]) => foldFile(perf, ...flags)
  const foldFile = async (file: string, ...flags: string[]) => {
    const { code, stdout, stderr } = await runCli(['fold', file, ...flags])
    assert.equal(code, 0, stderr)
    const lines = stdout.trimEnd().split('\n')
    const roots = new Set(lines.map((line) => line.replace(/(?:;.*)? \d+$/, '')))
    return {
      lines,
      roots,
      totalNs: lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0),
    }
  }

  it('puts on demand the goroutine’s function, the thread, the task or the class at the root, of the same time', async () => {
    const byGoroutine = await fold('--trace', trace)
    assert.ok(byGoroutine.roots.has('dualtrace.test/workloads/internal/induce.(*EchoService).echo'))
    const byThread = await fold('--trace', trace, '--by', 'thread')
    assert.ok(
      [...byThread.roots].every((root) => /^[^/]+\/\d+$/.test(root)),
      [...byThread.roots].join(),
    )
    const byState = await fold('--trace', trace, '--by', 'state')
    assert.ok(byState.roots.has('on_cpu') && byState.roots.has('syscall_cpu'))
    const byTask = await fold('--trace', trace, '--by', 'task')
    assert.deepEqual([...byTask.roots], ['[no task]'])
    const samples = await fold('--event', 'cpu-clock', '--weight', 'period')
    for (const { totalNs } of [byGoroutine, byThread, byState, byTask]) assert.equal(totalNs, samples.totalNs)
  })

  it('puts the type of the task at the root of what its goroutines did for it', async () => {
    const flags = ['--trace', `${healthy}/go.trace`, '--off-cpu']
    const byTask = await foldFile(`${healthy}/perf.script.gz`, ...flags, '--by', 'task')
    assert.deepEqual(byTask.roots, new Set(['order', '[no task]']))
    const ofTask = byTask.lines.filter((line) => line.startsWith('order;'))
    assert.equal(
      ofTask.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0),
      7_557_254,
    )
    assert.ok(ofTask.every((line) => line.includes(';[preempted] ')))
    assert.equal(byTask.totalNs, (await foldFile(`${healthy}/perf.script.gz`, ...flags)).totalNs)
  })

  it('gives the time off CPU with its reason, with and without a Go trace', async () => {
    const reasons = /;\[(?:preempted|asleep|disk|stopped|off)\] \d+$/
    const joined = await fold('--trace', trace, '--off-cpu')
    const alone = await fold('--off-cpu')
    assert.ok([...joined.lines, ...alone.lines].every((line) => reasons.test(line)))
    assert.ok(joined.totalNs > 1e9 && alone.totalNs > 1e9)
  })

  it('says in one sentence what it lacks', async () => {
    const cases: [args: string[], says: RegExp][] = [
      [[perf, '--by', 'goroutine'], /--by goroutine needs the Go trace of the same time/],
      [['test/perf/fixtures/no-times.txt', '--off-cpu'], /./],
      [['test/perf/fixtures/microseconds-tid-only.txt', '--off-cpu'], /shows no thread leaving and returning to a CPU/],
      [[perf, '--trace', trace, '--weight', 'count'], /cannot be used with option/],
    ]
    for (const [args, says] of cases) {
      const { code, stdout, stderr } = await runCli(['fold', ...args])
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, says)
    }
  })
})
