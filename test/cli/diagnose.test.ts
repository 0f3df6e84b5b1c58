import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'

const demo = 'test/captures/stw-netpoll'
const trace = `${demo}/go.trace`
const perf = `${demo}/perf.script.gz`

describe('dualtrace diagnose', () => {
  let dir: string
  before(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-diagnose-'))))
  after(() => rmSync(dir, { recursive: true, force: true }))

  const file = (name: string, content: Uint8Array | string) => {
    const path = join(dir, name)
    writeFileSync(path, content)
    return path
  }

  it('prints the worst moments with both sides, and writes a JSON result that its schema accepts', async () => {
    const json = join(dir, 'result.json')
    const { code, stdout } = await runCli(['diagnose', demo, '--json', json])
    assert.equal(code, 0)
    assert.match(stdout, /Worst moments/)
    assert.match(
      stdout,
      /stop-the-world of [\d.]+ ms \(GC .*waiting for goroutine \d+ \(induce\.\(\*Copier\)\.copyBuffer\)/,
    )
    assert.match(stdout, /CPU samples of it: runtime\.memmove/)
    assert.match(stdout, /netpoll delay of [\d.]+ ms: goroutine \d+ \(induce\.\(\*EchoService\)\.echo\)/)
    assert.match(stdout, /all 2 Ps were busy with induce\.burn/)
    assert.match(stdout, /epoll_pwait on thread \d+ returned/)
    const result = DiagnoseResult.parse(JSON.parse(readFileSync(json, 'utf8')))
    assert.equal(result.clock.method, 'monotonic')
    assert.ok(result.clock.pairs > 1000 && result.clock.unmatched < result.clock.pairs / 100)
    const detectors = new Set(result.findings.map((finding) => finding.detector))
    assert.ok(detectors.has('stop_the_world') && detectors.has('netpoll_delay'))
    const tables = result.tables as Record<string, Row[]>
    const spikes = tables['netpoll_spikes']!
    const stacks = new Set(tables['stacks']!.map((row) => row['stack_id']))
    assert.ok(
      spikes.length > 0 && spikes.every((row) => stacks.has(row['stack_id'])),
      'every stack id leads to its frames',
    )
  })

  it('writes the JSON to stdout for --json -, and nothing else', async () => {
    const { stdout } = await runCli(['diagnose', demo, '--json', '-'])
    assert.equal(DiagnoseResult.parse(JSON.parse(stdout)).schemaVersion, 1)
  })

  it('exits 1 when a finding is at least as bad as --fail-on, else 0', async () => {
    assert.equal((await runCli(['diagnose', demo, '--fail-on', 'warning'])).code, 1)
    assert.equal((await runCli(['diagnose', 'test/captures/healthy', '--fail-on', 'info'])).code, 0)
  })

  it('raises findings from the thresholds it is given', async () => {
    const limits = ['--threshold', 'netpollSpike=500us', '--threshold', 'criticalFactor=1']
    const { stdout } = await runCli(['diagnose', 'test/captures/healthy', '--json', '-', ...limits])
    const { findings } = DiagnoseResult.parse(JSON.parse(stdout))
    assert.ok(findings.length > 0)
    for (const each of findings) assert.deepEqual([each.detector, each.severity], ['netpoll_delay', 'critical'])
  })

  it('reads a trace and a perf text that are in no capture, from stdin too', async () => {
    const { code, stdout } = await runCli(['diagnose', '--trace', trace, '--perf', '-'], { input: readFileSync(perf) })
    assert.equal(code, 0)
    assert.match(stdout, /joined, both on CLOCK_MONOTONIC/)
  })

  describe('given bad input', () => {
    const swapped = 'the two are swapped: exchange --trace and --perf'
    const refusals: [what: string, args: () => string[], says: RegExp][] = [
      ['swapped arguments', () => ['--trace', perf, '--perf', trace], new RegExp(swapped)],
      [
        'a perf text as the only trace',
        () => ['--trace', perf],
        /is perf script text, not a Go trace; give it as --perf/,
      ],
      ['an empty trace', () => ['--trace', file('empty.trace', '')], /empty\.trace is empty, not a Go execution trace/],
      ['an empty perf text', () => ['--trace', trace, '--perf', file('empty.perf', '')], /empty\.perf is empty/],
      ['a trace of a Go to come', () => ['--trace', file('new', 'go 1.99 trace\0\0\0')], /go 1\.99/],
      ['something else', () => ['--trace', file('noise', 'hello world')], /noise is of an unknown format/],
      [
        'a damaged perf.data',
        () => ['--perf', file('bad.data', 'PERFILE2'.padEnd(1000, '?'))],
        /perf script could not read .*bad\.data: \w|bad\.data is a perf\.data file and perf is not installed/,
      ],
      ['a missing file', () => ['--trace', join(dir, 'nowhere')], /cannot open .*nowhere/],
      ['a directory that is no capture', () => [dir], /has no manifest\.json, so it is no capture/],
      ['an unknown threshold', () => [demo, '--threshold', 'gcPause=1ms'], /NAME one of netpollSpike \(10ms\), /],
      ['a threshold without a unit', () => [demo, '--threshold', 'stolen=5'], /stolen must be a time such as 500us/],
      ['no input', () => [], /nothing to diagnose/],
      ['perf text without times', () => ['--perf', file('timeless', timeless)], /has no time/],
    ]
    const timeless = `# ========\n# hostname : x\n# ========\n#\n${'svc 12/13 [000] 1 cpu-clock: \n\t 4a1b main.main+0x1 (/svc)\n\n'.repeat(3)}`
    for (const [what, args, says] of refusals) {
      it(`refuses ${what} with one sentence and exit code 2`, async () => {
        const { code, stdout, stderr } = await runCli(['diagnose', ...args()])
        assert.match(stderr, says)
        assert.equal(stderr.trim().split('\n').length, 1, stderr)
        assert.equal(stdout, '')
        assert.equal(code, 2)
      })
    }

    it('uses the good generations of a truncated trace, says what is missing, and exits 3', async () => {
      const whole = readFileSync(trace)
      const path = file('cut.trace', whole.subarray(0, Math.floor(whole.length * 0.7)))
      const { code, stdout } = await runCli(['diagnose', '--trace', path, '--perf', perf])
      assert.equal(code, 3)
      assert.match(stdout, /What could not be read\n {2}Go trace, byte \d+: .*(ends|cut|truncated)/)
      assert.match(stdout, /Worst moments/)
    })

    it('uses what precedes the cut in a compressed file, says so, and exits 3', async () => {
      const packed = readFileSync(perf)
      const path = file('cut.gz', packed.subarray(0, Math.floor(packed.length / 2)))
      const { code, stdout } = await runCli(['diagnose', '--trace', trace, '--perf', path])
      assert.equal(code, 3)
      assert.match(stdout, /perf, byte \d+: the compressed file ends too early/)
      assert.match(stdout, /joined, both on CLOCK_MONOTONIC/)
    })

    it('joins nothing when perf recorded another process, and says so', async () => {
      const text = gunzipSync(readFileSync(perf)).toString('latin1')
      const other = text.replaceAll(
        /\b(\d{4,6})\/(\d{4,6})\b/g,
        (_, pid: string, tid: string) => `${+pid + 70000}/${+tid + 70000}`,
      )
      const { code, stdout } = await runCli(['diagnose', '--trace', trace, '--perf', file('other.perf', other)])
      assert.equal(code, 0)
      assert.match(stdout, /not joined: no thread of the Go trace occurs in perf’s records/)
      assert.doesNotMatch(stdout, / on_cpu /)
    })

    it('reads on behind a damaged line of perf’s text, counts it, and exits 3', async () => {
      const text = gunzipSync(readFileSync(perf)).toString('latin1')
      const at = text.indexOf('\n', Math.floor(text.length / 2)) + 1
      const damaged = file('damaged.perf', `${text.slice(0, at)}\n%%% not a line of perf %%%\n${text.slice(at)}`)
      const { code, stdout } = await runCli(['diagnose', '--trace', trace, '--perf', damaged])
      assert.equal(code, 3)
      assert.match(stdout, /perf, byte \d+: .*not a line of perf/)
      assert.match(stdout, /Worst moments/)
    })
  })
})
