import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRelay } from '../../../src/alerts/relay/server.js'
import { gcPauseRule } from '../../../src/alerts/rules/gcPause.js'
import { readKeeps } from '../../../src/archive/keeps.js'
import { Secret } from '../../../src/secret.js'
import { startWecomRobot } from '../../support/wecomRobot.js'

const token = 'a-token-of-the-relay'
const key = 'the-robot-key'
const startMs = Date.UTC(2026, 10, 23, 10)
const nowMs = startMs + 120_000

describe('the relay of an archive', () => {
  let archive: string
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-relay-'))))
  afterEach(() => rmSync(archive, { recursive: true, force: true }))

  /** @returns what the relay answers and what it notes */
  async function post(labels: readonly Record<string, string>[], bearer = token) {
    const robot = await startWecomRobot({ key, nowMs: () => nowMs })
    const notes: string[] = []
    const settings = { wecom: new Secret(robot.url), token: new Secret(token), host: '127.0.0.1', port: 0, archive }
    const clock = { nowMs: () => nowMs, sleep: () => Promise.resolve() }
    const relay = await startRelay(settings, (text) => notes.push(text), clock)
    const alerts = labels.map((each) => ({ status: 'firing', labels: each, startsAt: new Date(startMs).toISOString() }))
    try {
      const headers = { authorization: `Bearer ${bearer}` }
      const body = JSON.stringify({ title: 'x', alerts })
      const { status } = await fetch(`http://127.0.0.1:${relay.port}/`, { method: 'POST', body, headers })
      return { status, notes }
    } finally {
      await relay.close()
      await robot.stop()
    }
  }

  const ns = (ms: number) => `${ms}000000`

  it('keeps the raw data of the sources of what Grafana posts, from before what the rules looked at', async () => {
    const own = { alertname: 'x', rule: gcPauseRule.uid, source: 'web/shop/1/2026' }
    const foreign = { alertname: 'errors', source: 'web/cart/1/2026' }
    assert.deepEqual((await post([own, foreign, { alertname: 'of something else' }])).status, 200)
    const keeps = (await readKeeps(archive)).map(({ keep }) => keep!).sort((a, b) => (a.reason < b.reason ? -1 : 1))
    const toNs = ns(nowMs + 30_000)
    const ownFromNs = ns(startMs - gcPauseRule.windowS * 1000 - 30_000)
    const expected = [
      { source: own.source, fromNs: ownFromNs, toNs, reason: gcPauseRule.title },
      { source: foreign.source, fromNs: ns(startMs - 330_000), toNs, reason: 'errors' },
    ]
    assert.deepEqual(
      keeps,
      expected.sort((a, b) => (a.reason < b.reason ? -1 : 1)),
    )
  })

  it('keeps nothing for who does not show the token', async () => {
    assert.equal((await post([{ source: 'web/shop/1/2026' }], 'another-token-at-all')).status, 401)
    assert.deepEqual(await readKeeps(archive), [])
  })

  it('tells the robot also when it cannot keep anything', async () => {
    writeFileSync(join(archive, '.keep'), '')
    const { status, notes } = await post([{ source: 'web/shop/1/2026' }])
    assert.equal(status, 200)
    assert.match(notes.join(), /cannot keep raw data in /)
  })
})
