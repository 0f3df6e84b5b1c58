import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from '../../src/measures/table.js'
import { gcPausesTable } from '../../src/measures/gcPauses.js'
import { netpollDelaysTable } from '../../src/measures/netpollDelays.js'
import { requireJava } from '../support/requirements.js'
import { insertRows, startTestQuestdb, type TestQuestdb } from '../support/questdb.js'
import { startWecomRobot, type WecomRobot } from '../support/wecomRobot.js'

const main = join(import.meta.dirname, '../../src/cli/main.js')
const key = 'secret-robot-key'

const agoNs = (ms: number) => String(BigInt(Date.now() - ms) * 1_000_000n)
const gcPause = (source: string, durationMs: number, isGc = true): Row => ({
  ts: agoNs(30_000),
  source,
  service: 'shop',
  host: 'web-1',
  reason: isGc ? 'GC mark termination' : 'read mem stats',
  is_gc: isGc,
  duration_ns: durationMs * 1e6,
  stopping_ns: 1000,
  tid: 7,
  goroutine: Math.round(durationMs),
})

describe('dualtrace alerts eval', function () {
  let questdb: TestQuestdb
  let robot: WecomRobot
  let dir: string
  const children: ChildProcess[] = []

  before(async function () {
    requireJava(this)
    questdb = await startTestQuestdb()
    await insertRows(questdb.client, gcPausesTable, [
      gcPause('calm', 0.4),
      gcPause('calm', 80, false),
      gcPause('slow', 42),
      { ...gcPause('yesterday', 99), ts: agoNs(86_400_000) },
    ])
  })
  after(async () => {
    await (questdb as TestQuestdb | undefined)?.stop()
  })
  beforeEach(async () => {
    robot = await startWecomRobot({ key })
    dir = await mkdtemp(join(tmpdir(), 'dualtrace-eval-'))
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await robot.stop()
    await rm(dir, { recursive: true, force: true })
  })

  const start = (args: readonly string[], env: Record<string, string> = {}) => {
    const child = spawn(
      process.execPath,
      [main, 'alerts', 'eval', '--questdb', questdb.url, '--state', join(dir, 'state.json'), ...args],
      { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    children.push(child)
    const result = { child, stdout: '', stderr: '', code: null as number | null }
    child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()))
    return result
  }
  const run = async (args: readonly string[] = [], env: Record<string, string> = {}) => {
    const result = start(args, env)
    ;[result.code] = (await once(result.child, 'close')) as [number | null]
    assert.ok(!(result.stdout + result.stderr).includes(key), 'the robot’s key is shown')
    return result
  }

  it('tells the robot once about the pause over the limit, and about nothing else', async () => {
    const env = { WECOM_WEBHOOK_URL: robot.url.href }
    const first = await run([], env)
    assert.deepEqual([first.code, first.stdout], [0, ''])
    assert.match(first.stderr, /2 rules evaluated: 1 firing, 0 pending/)
    assert.equal(robot.taken.length, 1)
    assert.match(robot.taken[0]!, /GC pause > 10 ms[^]*42\.0 ms \(limit 10\.0 ms\)[^]*source: `slow`/)
    assert.doesNotMatch(robot.taken[0]!, /calm|yesterday/)
    assert.equal((await run([], env)).code, 0)
    assert.equal(robot.taken.length, 1)
  })

  it('says that it is over when the row has left the window', async () => {
    await run(['--wecom', robot.url.href])
    const path = join(dir, 'state.json')
    const kept = JSON.parse(await readFile(path, 'utf8')) as { alerts: { labels: { source: string } }[] }
    // As if the one that fires had been another source, which QuestDB no longer shows.
    kept.alerts[0]!.labels.source = 'gone'
    await writeFile(path, JSON.stringify(kept))
    await run(['--wecom', robot.url.href])
    assert.match(robot.taken[1]!, /^# dualtrace: 1 firing, 1 resolved\n/)
    assert.match(robot.taken[1]!, /resolved<\/font> GC pause > 10 ms[^]*source: `gone`/)
  })

  it('prints what it would tell when there is no robot', async () => {
    const { code, stdout } = await run([], { WECOM_WEBHOOK_URL: '' })
    assert.equal(code, 0)
    assert.match(stdout, /^# dualtrace: 1 firing\n/)
  })

  it('exits 1 for --fail-on-firing, also when it was told before', async () => {
    assert.equal((await run(['--fail-on-firing'])).code, 1)
    assert.equal((await run(['--fail-on-firing'])).code, 1)
  })

  it('keeps a netpoll spike pending for its minute', async () => {
    const row = { ts: agoNs(20_000), source: 'polls', service: 'shop', host: 'web-1', ready_to_run_max_ns: 30e6 }
    await insertRows(questdb.client, netpollDelaysTable, [row])
    const { stdout, stderr } = await run()
    assert.match(stderr, /1 firing, 1 pending/)
    assert.doesNotMatch(stdout, /netpoll/)
  })

  it('tells again next time when the robot refused', async () => {
    const wrong = new URL(robot.url)
    wrong.searchParams.set('key', 'wrong')
    const refused = await run([], { WECOM_WEBHOOK_URL: wrong.href })
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /^dualtrace: WeCom refused the alert: errcode 93000/m)
    await run([], { WECOM_WEBHOOK_URL: robot.url.href })
    assert.equal(robot.taken.length, 1)
  })

  it('evaluates by cron until it is stopped, and survives a robot that refuses', async () => {
    robot.next.push(40008)
    const watching = start(['--cron', '* * * * * *'], { WECOM_WEBHOOK_URL: robot.url.href })
    while (robot.taken.length === 0) await sleep(50)
    assert.match(watching.stderr, /WeCom refused the alert: errcode 40008/)
    watching.child.kill('SIGTERM')
    const [code] = (await once(watching.child, 'close')) as [number | null]
    assert.equal(code, 0)
    assert.equal(robot.taken.length, 1)
    assert.ok(!watching.stderr.includes(key))
  })

  for (const [what, args, message] of [
    ['a QuestDB that does not answer', ['--questdb', 'postgres://a:b@127.0.0.1:1/qdb'], /127\.0\.0\.1:1: ECONNREFUSED/],
    [
      'an address of the wrong kind',
      ['--questdb', 'http://127.0.0.1:9000'],
      /--questdb: not an address like postgres:/,
    ],
    ['a robot that is no address', ['--wecom', key], /--wecom: not the http\(s\) address/],
    ['a cron expression that is none', ['--cron', 'hourly'], /--cron: not a cron expression/],
    ['--once together with --watch', ['--once', '--watch'], /exclude each other/],
  ] as const) {
    it(`exits 2 with one sentence for ${what}`, async () => {
      const { code, stderr } = await run(args)
      assert.equal(code, 2)
      assert.match(stderr, message)
      assert.equal(stderr.trim().split('\n').length, 1)
    })
  }

  it('names the table that is missing when the normalizer has not run yet', async () => {
    await questdb.client.query('DROP TABLE netpoll_delays')
    const { code, stderr } = await run()
    assert.equal(code, 2)
    assert.match(stderr, /has no table netpoll_delays yet/)
  })
})
