import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { createLog } from '../../src/pipeline/log.js'
import { runReprocessing } from '../../src/pipeline/reprocess/schedule.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { freePort } from '../../src/stack/ports.js'
import { captureDirectory } from '../../src/archive/layout.js'
import { archiveCapture, makeUnreadable } from '../support/archive.js'
import { PipelineProcess } from '../support/pipelineProcess.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { metricsOn, statusPage } from '../support/statusPage.js'
import { computedRows, storedRows, withoutLag } from '../support/storedRows.js'
import { startWriteGate } from '../support/writeGate.js'

const dayMs = 86_400_000
const capture = join(packageRoot(), 'test/captures/healthy')

describe('scheduled reprocessing', function () {
  let stack: LocalStack
  let directory: string

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
  })
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'dualtrace-schedule-'))))
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function pipeline() {
    const archive = join(directory, 'archive')
    mkdirSync(archive)
    return {
      kind: 'reprocess' as const,
      archive,
      questdb: { url: stack.questdb.url, username: undefined, password: undefined, token: undefined },
      thresholds: {},
      // Once a year: only what was missed runs here.
      cron: '30 12 1 1 *',
      timezone: 'Asia/Shanghai',
      delay: 0,
      first: dayMs,
      state: join(directory, 'state', 'reprocess.json'),
      status: { host: '127.0.0.1', port: 0 },
    }
  }

  interface State {
    readonly schemaVersion: 1
    readonly doneUntilMs: number
    readonly nextDueMs: number
    readonly running?: { readonly sinceMs: number; readonly untilMs: number }
  }
  const stateIn = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as State

  it('remembers when the first run is due, in its time zone, and does nothing before that', async () => {
    const port = await freePort()
    const own = { ...pipeline(), status: { host: '127.0.0.1', port } }
    const stop = new AbortController()
    const running = runReprocessing(own, createLog('fatal'), stop.signal)
    await sleep(1000)
    const metrics = await metricsOn(port)
    stop.abort()
    await running
    const { nextDueMs, doneUntilMs } = stateIn(own.state)
    assert.equal(metrics.get('dualtrace_reprocess_done_until_timestamp_seconds'), doneUntilMs / 1000)
    assert.equal(metrics.get('dualtrace_reprocess_next_round_timestamp_seconds'), nextDueMs / 1000)
    assert.match(new Date(nextDueMs).toISOString(), /^\d{4}-01-01T04:30:00\.000Z$/)
    assert.ok(doneUntilMs <= Date.now() - dayMs)
  })

  it('makes up for a run that was missed as soon as it starts, from where the last one ended', async () => {
    const own = pipeline()
    const lastMs = Math.floor(Date.now() / 1000) * 1000 - 3 * dayMs
    mkdirSync(join(directory, 'state'))
    writeFileSync(own.state, JSON.stringify({ schemaVersion: 1, doneUntilMs: lastMs, nextDueMs: Date.now() - dayMs }))
    const beganMs = Math.floor(Date.now() / 1000) * 1000
    const stop = new AbortController()
    const running = runReprocessing(own, createLog('fatal'), stop.signal)
    while (stateIn(own.state).doneUntilMs === lastMs) await sleep(50)
    stop.abort()
    await running
    const { nextDueMs, doneUntilMs } = stateIn(own.state)
    assert.ok(doneUntilMs >= beganMs && doneUntilMs <= Date.now())
    assert.ok(nextDueMs > Date.now())
  })

  /** As if a run was due, and all before `doneUntilMs` was computed. */
  function due(state: string, doneUntilMs: number): void {
    mkdirSync(join(directory, 'state'), { recursive: true })
    writeFileSync(state, JSON.stringify({ schemaVersion: 1, doneUntilMs, nextDueMs: Date.now() - 1000 }))
  }

  function startProcess(
    { archive, state, cron, status }: ReturnType<typeof pipeline>,
    questdb: string,
  ): PipelineProcess {
    return new PipelineProcess('reprocess', {
      DUALTRACE_STATUS_PORT: String(status.port),
      DUALTRACE_ARCHIVE: archive,
      DUALTRACE_QUESTDB: questdb,
      DUALTRACE_REPROCESS_STATE: state,
      DUALTRACE_REPROCESS_CRON: cron,
      DUALTRACE_REPROCESS_DELAY: '1s',
    })
  }

  async function expectRows(sources: readonly string[]): Promise<void> {
    const { rows } = await analyzeCapture(capture)
    for (const source of sources)
      assert.deepEqual(
        withoutLag(await storedRows(stack.questdb.url, source)),
        withoutLag(computedRows(rows, source)),
        source,
      )
  }

  it('finishes the very range it was killed in, and leaves no other job behind', async () => {
    const own = pipeline()
    const sources = [1, 2, 3].map((n) => `host/killed/${n}/2026`)
    for (const source of sources) await archiveCapture(capture, own.archive, source)
    const sinceMs = Date.UTC(2026, 10, 23)
    due(own.state, sinceMs)
    const gate = await startWriteGate(stack.questdb.url)
    const start = () => startProcess(own, gate.url)
    const jobs = () => readdirSync(join(own.archive, '.reprocess'))
    try {
      // Every source is one write, save on a machine so slow that a state is taken meanwhile.
      const gone = gate.holdAfter(1)
      const killed = start()
      await gone
      await killed.kill()
      const { running, doneUntilMs } = stateIn(own.state)
      assert.deepEqual([running?.sinceMs, doneUntilMs], [sinceMs, sinceMs])
      assert.equal(jobs().length, 1)
      // What a program of another version has left, as its jobs have other names.
      const [job] = jobs()
      cpSync(join(own.archive, '.reprocess', job!), join(own.archive, '.reprocess', `${job!.split('-')[0]}-0000`), {
        recursive: true,
      })

      const held = gate.holdAfter(0)
      const ofFirst = await freePort()
      const first = startProcess({ ...own, status: { ...own.status, port: ofFirst } }, gate.url)
      await held
      assert.deepEqual(jobs(), [job])
      assert.ok((await metricsOn(ofFirst)).get('dualtrace_reprocess_running_seconds')! > 0)
      const second = start()
      await second.said('the round failed', 'computes the same job')
      assert.equal(await second.stop(), 0)
      gate.release()
      const { until, runs, runsBefore } = JSON.parse(await first.said('"computed again"')) as {
        readonly until: string
        readonly runs: number
        readonly runsBefore: number
      }
      assert.equal(Date.parse(until), running!.untilMs)
      assert.equal(runs + runsBefore, sources.length)
      while ((await metricsOn(ofFirst)).get('dualtrace_reprocess_rounds_total{result="done"}') !== 1) await sleep(50)
      const metrics = await metricsOn(ofFirst)
      assert.equal(metrics.get('dualtrace_reprocess_runs_total{result="computed"}'), runs)
      assert.ok(metrics.get('dualtrace_reprocess_rows_total')! > 0)
      assert.ok(metrics.get('dualtrace_reprocess_done_until_timestamp_seconds')! * 1000 >= running!.untilMs)
      assert.equal(metrics.get('dualtrace_reprocess_running_seconds'), undefined)
      assert.deepEqual(await statusPage(ofFirst, '/readyz'), { status: 200, text: 'ready\n' })
      assert.equal(await first.stop(), 0)
      assert.equal(stateIn(own.state).running, undefined)
      assert.deepEqual(jobs(), [])
      await expectRows(sources)
    } finally {
      gate.close()
    }
  })

  it('says on its status page that a round failed, and why, until one did not', async () => {
    const port = await freePort()
    const own = { ...pipeline(), cron: '* * * * * *', status: { host: '127.0.0.1', port } }
    rmSync(own.archive, { recursive: true })
    due(own.state, Math.floor(Date.now() / 1000) * 1000 - dayMs)
    const stop = new AbortController()
    const running = runReprocessing(own, createLog('fatal'), stop.signal)
    const ready = () => statusPage(port, '/readyz').catch(() => undefined)
    while ((await ready())?.status !== 503) await sleep(50)
    const why = (await ready())!.text
    assert.match(why, /^the last round failed, the next one makes up for it: /)
    assert.ok(why.includes(own.archive))
    mkdirSync(own.archive)
    while ((await ready())?.status !== 200) await sleep(50)
    const metrics = await metricsOn(port)
    for (const result of ['failed', 'done'])
      assert.ok(metrics.get(`dualtrace_reprocess_rounds_total{result="${result}"}`)! > 0, result)
    const lastDoneS = metrics.get('dualtrace_reprocess_last_done_timestamp_seconds')!
    assert.ok(metrics.get('dualtrace_reprocess_next_round_timestamp_seconds')! >= lastDoneS - 1)
    stop.abort()
    await running
  })

  it('goes on after a run whose analysis failed, with the others finished, and says which one it was', async () => {
    const own = pipeline()
    const [bad, good] = ['host/failed/1/2026', 'host/failed/2/2026']
    for (const source of [bad, good]) await archiveCapture(capture, own.archive, source)
    const run = { stream: '00000000000001-abc', hour: '2026-11-23T16' }
    makeUnreadable(join(captureDirectory(own.archive, { source: bad, ...run }), 'perf.script.gz'))
    due(own.state, Date.UTC(2026, 10, 23))
    const child = startProcess(own, stack.questdb.url)
    const { until, runs, failedRuns } = JSON.parse(await child.said('"computed again"')) as {
      readonly until: string
      readonly runs: number
      readonly failedRuns: number
    }
    assert.deepEqual([runs, failedRuns], [1, 1])
    await child.said(`the analysis of ${bad}, run ${run.stream}, failed: EIO`)
    while (stateIn(own.state).doneUntilMs !== Date.parse(until)) await sleep(50)
    assert.equal(await child.stop(), 0)
    assert.equal(stateIn(own.state).running, undefined)
    await expectRows([good])
  })

  it('computes what comes into the archive after its time, from where it belongs', async () => {
    const own = pipeline()
    const run = async () => {
      const { doneUntilMs } = stateIn(own.state)
      const stop = new AbortController()
      const running = runReprocessing(own, createLog('fatal'), stop.signal)
      while (stateIn(own.state).doneUntilMs === doneUntilMs) await sleep(50)
      stop.abort()
      await running
    }
    due(own.state, Math.floor(Date.now() / 1000) * 1000 - dayMs)
    await run()
    const source = 'host/late/1/2026'
    await archiveCapture(capture, own.archive, source)
    const state = JSON.parse(readFileSync(own.state, 'utf8')) as State
    writeFileSync(own.state, JSON.stringify({ ...state, nextDueMs: Date.now() - 1 }))
    while (Date.now() < state.doneUntilMs + 2000) await sleep(50)
    await run()
    await expectRows([source])
  })
})
