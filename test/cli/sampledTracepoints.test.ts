import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import type { TimeClass } from '../../src/timeline/classes.js'
import { runCli } from '../support/cli.js'
import { requireGo, requirePerf } from '../support/requirements.js'

/** Classes that say what a thread did in the kernel. */
const kernelClasses: readonly TimeClass[] = [
  'on_cpu',
  'cpu_stolen',
  'fault_io',
  'runtime_futex',
  'syscall_cpu',
  'syscall_blocked',
  'sched_wait_kernel',
]

const tracepoints = ['cpu-clock', 'sched:sched_switch', 'sched:sched_waking', 'syscalls:sys_exit_epoll_pwait']

describe('dualtrace diagnose of tracepoints recorded with a global -F', function () {
  let folder = ''
  before(function () {
    requireGo(this)
    requirePerf(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-sampled-'))
    execFileSync('go', ['build', '-trimpath', '-o', join(folder, 'traces'), './traces'], { cwd: 'test/workloads' })
  })
  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true })
  })

  /** Records a program in both tracks, and diagnoses it. */
  async function diagnose(flags: readonly string[], events: readonly string[] = tracepoints) {
    const trace = join(folder, 'go.trace')
    const data = join(folder, 'perf.data')
    const work = [join(folder, 'traces'), '-out', trace, '-work', 'network,syscalls', '-for', '500ms']
    const record = ['record', '-q', '-o', data, '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', '4M', ...flags]
    const { status, stderr } = spawnSync('perf', [...record, ...events.flatMap((e) => ['-e', e]), '--', ...work])
    assert.equal(status, 0, stderr.toString())
    const { code, stdout } = await runCli(['diagnose', '--trace', trace, '--perf', data])
    const json = await runCli(['diagnose', '--trace', trace, '--perf', data, '--json', '-'])
    const result = DiagnoseResult.parse(JSON.parse(json.stdout))
    const totals = new Map<string, number>()
    for (const row of result.tables['time_classes'] as Row[]) {
      totals.set(row['class'] as string, (totals.get(row['class'] as string) ?? 0) + (row['ns'] as number))
    }
    return { code, stdout, totals, result }
  }

  it('says so in one sentence, and leaves the kernel side of all time unknown', async () => {
    const { code, stdout, totals, result } = await diagnose(['-F', '99'])
    assert.equal(code, 3)
    const said = stdout.split('\n').filter((line) => line.includes('perf recorded only some events'))
    assert.equal(said.length, 1, stdout)
    assert.match(
      said[0]!,
      /only some events of sched:sched_switch \(99 a second\).*no durations.*-e 'cpu-clock\/freq=99\/' instead of -F 99/,
    )
    assert.equal(result.clock.method, 'monotonic')
    const known = kernelClasses.filter((name) => totals.has(name))
    assert.deepEqual(known, [])
    assert.ok(totals.get('unknown')! > 0)
    assert.equal(result.clock.pairs, 0)
  })

  it('knows again what SWITCH records tell, which are not sampled, but no reasons', async () => {
    const { totals } = await diagnose(['-F', '99', '--switch-events'])
    assert.ok(totals.get('on_cpu')! > 0)
    // A preemption is told by SWITCH records too, so part of the waits for a CPU is known; a wake-up is not.
    for (const name of ['fault_io', 'runtime_futex']) assert.equal(totals.has(name), false, name)
  })

  it('takes nobody for running after a CPU sample when perf recorded no switches', async () => {
    const { code, totals } = await diagnose(['-F', '99'], ['cpu-clock'])
    assert.equal(code, 0)
    assert.deepEqual(
      kernelClasses.filter((name) => totals.has(name)),
      [],
    )
  })
})
