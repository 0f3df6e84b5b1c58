import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload } from '../support/workloads.js'

/** Calls of pread64 that the workload says it makes. */
const preads = 200
const others = ['dd', 'sh', 'cat', 'sleep', 'perf', 'node']
const recordings = 3

describe('a service that starts other programs', function () {
  let folder = ''
  const inFolder = (name: string) => join(folder, name)
  before(function () {
    requireGo(this)
    requirePerf(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-children-'))
  })
  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true })
  })

  const command = () => [buildWorkload('children'), '-out', inFolder('go.trace')]

  async function diagnose(args: readonly string[]) {
    const json = await runCli(['diagnose', ...args, '--json', '-'])
    assert.equal(json.code, 0, json.stderr)
    const { tables, findings, clock } = DiagnoseResult.parse(JSON.parse(json.stdout))
    assert.equal(clock.method, 'monotonic')
    const rows = (table: string) => (tables[table] ?? []) as Row[]
    const calls = new Map<string, number>()
    for (const { name, count } of rows('syscalls'))
      calls.set(name as string, (calls.get(name as string) ?? 0) + (count as number))
    const roots = new Set(rows('samples').map((row) => row['root'] as string))
    return { calls, roots, unpolled: rows('netpoll_spikes').length, found: findings.map(({ detector }) => detector) }
  }

  it('is recorded with them, and only its own calls and threads are counted', async () => {
    const out = inFolder('capture')
    const traceFile = inFolder('go.trace')
    const recorded = await runCli([
      'record',
      '--out',
      out,
      '--trace-file',
      traceFile,
      '--duration',
      '60s',
      '--',
      ...command(),
    ])
    assert.equal(recorded.code, 0, recorded.stderr)
    const { calls, roots, found } = await diagnose([out])
    assert.ok(calls.get('pread64')! >= preads && calls.get('pread64')! < preads + 20, `${calls.get('pread64')}`)
    // dd reads and writes 16,000 times.
    assert.ok(calls.get('read')! < 8000 && calls.get('write')! < 8000, `${calls.get('read')}, ${calls.get('write')}`)
    assert.ok(!found.includes('syscall_errors'))
    assert.deepEqual(
      others.filter((name) => roots.has(name)),
      [],
    )
  })

  it('is told the same of a recording of the whole host as of one of its process', async () => {
    for (let attempt = 1; recordBoth() && attempt < recordings; attempt++);
    const trace = ['--trace', inFolder('go.trace'), '--perf']
    const one = await diagnose([...trace, inFolder('one.txt')])
    const all = await diagnose([...trace, inFolder('all.txt')])
    for (const name of ['pread64', 'epoll_pwait', 'openat'])
      assert.equal(all.calls.get(name), one.calls.get(name), name)
    assert.ok(one.calls.get('epoll_pwait')! > 0)
    // Between fork and exec the process is still perf: only the host's recording has that.
    const readBefore = all.calls.get('read')! - one.calls.get('read')!
    assert.ok(readBefore >= 0 && readBefore < 10, `${readBefore}`)
    assert.deepEqual(all.found, one.found)
    assert.equal(all.unpolled, one.unpolled)
    assert.deepEqual(
      others.filter((name) => all.roots.has(name)),
      [],
    )
  })

  /** Records the workload with its children, and the host meanwhile. @returns true when perf lost something */
  function recordBoth(): boolean {
    const names = ['read', 'pread64', 'openat', 'epoll_pwait']
    const calls = names.flatMap((name) => ['-e', `syscalls:sys_enter_${name}`, '-e', `syscalls:sys_exit_${name}`])
    const events = ['-e', 'cpu-clock/freq=99/', '-e', 'sched:sched_switch', ...calls]
    const record = ['record', '-q', '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '--switch-events', '-m', '8M', ...events]
    const inner = ['perf', ...record, '-o', inFolder('one.data'), '--', ...command()]
    const outer = spawnSync('perf', [...record, '-a', '-o', inFolder('all.data'), '--', ...inner])
    assert.equal(outer.status, 0, outer.stderr.toString())
    return ['one', 'all'].map((name) => toText(name)).some((lost) => lost)
  }

  function toText(name: string): boolean {
    const show = ['task', 'switch', 'lost'].map((kind) => `--show-${kind}-events`)
    const fields = 'comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace'
    const args = ['script', '--header', '--ns', ...show, '-F', fields, '-i', inFolder(`${name}.data`)]
    const text = execFileSync('perf', args, { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] })
    writeFileSync(inFolder(`${name}.txt`), text)
    return text.includes('PERF_RECORD_LOST')
  }
})
