import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLog } from '../../src/pipeline/log.js'
import { runReprocessing } from '../../src/pipeline/reprocess/schedule.js'
import type { LocalStack } from '../../src/stack/local.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'

const dayMs = 86_400_000

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
    }
  }

  type State = { readonly schemaVersion: 1; readonly doneUntilMs: number; readonly nextDueMs: number }
  const stateIn = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as State

  it('remembers when the first run is due, in its time zone, and does nothing before that', async () => {
    const own = pipeline()
    const stop = new AbortController()
    const running = runReprocessing(own, createLog('fatal'), stop.signal)
    await sleep(1000)
    stop.abort()
    await running
    const { nextDueMs, doneUntilMs } = stateIn(own.state)
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
})
