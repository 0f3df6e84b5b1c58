import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { runCli } from '../support/cli.js'

const fixtures = 'test/perf/fixtures'
const folded = 'my_(w)_78_[0]_a;__libc_start_call_main;outer 4008016\n'

describe('dualtrace fold', () => {
  let dir: string
  before(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-fold-'))))
  after(() => rmSync(dir, { recursive: true, force: true }))

  const file = (name: string, content: Uint8Array | string) => {
    const path = join(dir, name)
    writeFileSync(path, content)
    return path
  }

  it('prints the folded stacks and nothing else', async () => {
    const text = `${fixtures}/microseconds-tid-only.txt`
    assert.deepEqual(await runCli(['fold', text]), { code: 0, stdout: folded, stderr: '' })
  })

  it('reads stdin and .gz', async () => {
    const text = readFileSync(`${fixtures}/microseconds-tid-only.txt`)
    assert.equal((await runCli(['fold', '-'], { input: text })).stdout, folded)
    assert.equal((await runCli(['fold', file('x.gz', gzipSync(text))])).stdout, folded)
  })

  it('folds what precedes the end of a .gz that was cut off, says so and exits 3', async () => {
    const text = gunzipSync(readFileSync('test/captures/healthy/perf.script.gz'))
    const packed = gzipSync(text)
    const whole = await runCli(['fold', '--all', file('whole.gz', packed)])
    const { code, stdout, stderr } = await runCli(['fold', '--all', file('cut.gz', packed.subarray(0, -20_000))])
    assert.deepEqual([whole.code, code], [0, 3])
    assert.ok(stdout.length > whole.stdout.length / 2)
    assert.match(stderr, /cut\.gz: the compressed file ends too early/)
  })

  it('says which events it left out, and how to have them', async () => {
    const { code, stdout, stderr } = await runCli(['fold', `${fixtures}/mixed-call-graph.txt`])
    assert.equal(code, 0)
    assert.equal(stdout, 'sh;__GI___open64_nocancel 2\ncat;__open64_nocancel 1\n')
    assert.match(
      stderr,
      /^dualtrace: folded syscalls:sys_exit_openat \(3 samples\); not sched:sched_switch \(1 samples\): choose with --event NAME/,
    )
  })

  it('takes the event as perf prints it, modifiers and terms included', async () => {
    for (const event of ['cpu-clock', 'cpu-clock:uhH', 'cpu-clock/freq=99,call-graph=fp/']) {
      const { stdout } = await runCli(['fold', `${fixtures}/pmu-events.txt`, '--event', event])
      assert.equal(stdout, 'x 250007\n')
    }
  })

  it('names the events there are when the one asked for is not', async () => {
    const { code, stdout, stderr } = await runCli(['fold', `${fixtures}/single-line.txt`, '--event', 'cycles'])
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /has no samples of cycles, but of cpu-clock \(3 samples\)\n$/)
  })

  it('counts samples with --all, whose periods mean different things', async () => {
    const { stdout, stderr } = await runCli(['fold', `${fixtures}/pmu-events.txt`, '--all'])
    assert.equal(stdout, 'x 4\nx;[unknown] 1\n')
    assert.doesNotMatch(stderr, /choose with/)
  })

  it('folds text without times, except by time', async () => {
    const text = `${fixtures}/no-times.txt`
    assert.equal((await runCli(['fold', text])).code, 0)
    const byTime = await runCli(['fold', text, '--weight', 'time'])
    assert.equal(byTime.code, 2)
    assert.match(byTime.stderr, /1 samples without a usable time: write the text with "time" among the fields of -F/)
  })

  it('folds what is readable, names what is not and exits 3', async () => {
    const { code, stdout, stderr } = await runCli(['fold', `${fixtures}/unreadable-lines.txt`])
    assert.deepEqual([code, stdout], [3, 'x 2\n'])
    assert.match(stderr, /line 2: expected "COMM PID\/TID \[CPU\] TIME: …" but found "this is not perf"/)
  })

  it('says in one sentence what it cannot fold, and exits 2', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      [file('empty', ''), /is empty\n$/],
      [
        'test/captures/healthy/go.trace',
        /is a Go execution trace: fold reads perf\.data or the text of perf script\n$/,
      ],
      [`${fixtures}/sideband.txt`, /has no samples: fold needs perf\.data or the text of perf script\n$/],
      [file('noise', Buffer.from([0, 1, 2, 3, 10, 0, 255])), /has no samples: /],
      [join(dir, 'absent'), /cannot open .*absent/],
    ]
    for (const [path, message] of cases) {
      const { code, stdout, stderr } = await runCli(['fold', path])
      assert.deepEqual([code, stdout, stderr.split('\n').length], [2, '', 2], stderr)
      assert.match(stderr, message)
    }
  })
})
