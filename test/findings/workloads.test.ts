import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyzeCapture, type OfflineResult } from '../../src/pipeline/offline.js'
import { recordWorkload } from '../support/recording.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload, type WorkloadName } from '../support/workloads.js'

/** Records a workload while it runs and analyses the capture, as `record` and `diagnose` do. */
async function diagnoseLive(name: WorkloadName, args: readonly string[]): Promise<OfflineResult> {
  const out = await mkdtemp(join(tmpdir(), 'dualtrace-live-'))
  try {
    await recordWorkload(buildWorkload(name), args, out, 4000)
    return await analyzeCapture(out)
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

function factsOf(result: OfflineResult, detector: string) {
  return result.findings.filter((finding) => finding.detector === detector).map((finding) => finding.facts)
}

describe('findings, on workloads recorded live', function () {
  before(function () {
    requireGo(this)
    requirePerf(this)
  })

  it('names the goroutine that a stop-the-world waited for, and what kept it', async () => {
    const result = await diagnoseLive('stw', ['-megabytes', '512'])
    assert.equal(result.summary.clock.method, 'monotonic')
    const facts = factsOf(result, 'stop_the_world')
    assert.ok(facts.length > 0, 'a stop-the-world over 10 ms is found')
    const byCopy = facts.filter((fact) => String(fact['last_function']).includes('copyBuffer'))
    assert.ok(byCopy.length > facts.length / 2, JSON.stringify(facts))
    assert.ok(byCopy.some((fact) => fact['is_gc'] === true && (fact['last_on_cpu_ns'] as number) > 0))
    const copying = result.findings.some(({ kernel }) => kernel.some((line) => line.includes('runtime.memmove')))
    assert.ok(copying, 'perf’s samples show the copy')
  })

  it('names the goroutine that a netpoll delay held up, and the work that kept all Ps busy', async () => {
    const result = await diagnoseLive('netpoll', [])
    const facts = factsOf(result, 'netpoll_delay')
    assert.ok(facts.length > 0, 'a netpoll delay spike is found')
    const echo = facts.filter((fact) => String(fact['function']).endsWith('.echo') && fact['part'] === 'ready_to_run')
    assert.ok(echo.length > facts.length / 2, JSON.stringify(facts))
    const busy = echo.filter((fact) => fact['busy_ps'] === fact['total_ps'])
    assert.ok(
      busy.some((fact) => String(fact['busy_functions']).includes('burn')),
      JSON.stringify(echo),
    )
    assert.ok(result.summary.fit.pairs > result.summary.fit.unmatched, 'epoll returns are matched')
    const late = result.rows.filter(({ table }) => table === 'syscall_wakeups').map(({ row }) => row)
    const starved = late.filter((row) => row['verdict'] === 'no_p_free' && row['busy_ps'] === row['total_ps'])
    assert.ok(starved.length > 0, `a starved goroutine is found: ${JSON.stringify(late.slice(0, 5))}`)
    assert.ok(starved.some((row) => row['kind'] === 'poll' && row['name'] === 'epoll_pwait'))
  })

  it('names the process that takes the CPU away, and the goroutine that loses it', async () => {
    const result = await diagnoseLive('steal', [])
    const stolen = result.findings.filter((finding) => finding.detector === 'cpu_stolen')
    assert.ok(stolen.length > 0, 'stolen CPU is found')
    // On a busy machine others steal as well. Preempted in spin, which is a leaf without a frame, the stack in the trace lacks its
    // caller compute.
    const byHog = stolen.filter(
      ({ kernel, facts }) =>
        kernel.some((line) => /switched to instead: .*\bhog \(/.test(line)) &&
        /main\.(compute|spin)$/.test(String(facts['function'])),
    )
    assert.ok(byHog.length > 0, JSON.stringify(stolen))
  })
})

describe('findings, on a healthy service', () => {
  it('finds nothing', async () => {
    const { findings, summary } = await analyzeCapture('test/captures/healthy')
    assert.deepEqual(findings, [])
    assert.equal(summary.clock.joined, true)
    assert.ok(summary.goEvents > 10_000 && summary.perfRecords > 10_000)
  })
})
