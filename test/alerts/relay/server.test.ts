import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Relay, maxBodyBytes, startRelay } from '../../../src/alerts/relay/server.js'
import { Secret } from '../../../src/secret.js'
import { cliPath, runCli } from '../../support/cli.js'
import { startWecomRobot, type WecomRobot } from '../../support/wecomRobot.js'

const token = 'a-token-of-the-relay'
const key = 'the-robot-key'
const webhook = (more: object = {}) => ({
  receiver: 'dualtrace',
  status: 'firing',
  title: '[FIRING:1] GC pause',
  truncatedAlerts: 0,
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'GC pause > 10 ms', source: 'web/shop/1/2026', __alert_rule_uid__: 'x' },
      annotations: { summary: 'stopped for 42.0 ms' },
      startsAt: '2026-11-23T10:00:00Z',
      panelURL: 'http://grafana/d/x?viewPanel=3',
      values: { A: 1 },
      ...more,
    },
  ],
})

describe('the relay from Grafana to WeCom', () => {
  let robot: WecomRobot
  let relay: Relay
  let nowMs: number
  let sleep: (ms: number) => Promise<void>
  const notes: string[] = []

  beforeEach(async () => {
    nowMs = 1e12
    notes.length = 0
    robot = await startWecomRobot({ key, nowMs: () => nowMs })
    const settings = { wecom: new Secret(robot.url), token: new Secret(token), host: '127.0.0.1', port: 0 }
    sleep = (ms) => {
      nowMs += ms
      return Promise.resolve()
    }
    relay = await startRelay(settings, (text) => notes.push(text), { nowMs: () => nowMs, sleep: (ms) => sleep(ms) })
  })
  afterEach(async () => {
    await relay.close()
    await robot.stop()
  })

  const post = async (body: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }) => {
    const response = await fetch(`http://127.0.0.1:${relay.port}/`, { method: 'POST', body, headers })
    return { status: response.status, text: await response.text() }
  }

  it('tells the robot what Grafana posts, without Grafana’s own labels', async () => {
    assert.deepEqual(await post(JSON.stringify(webhook())), { status: 200, text: 'told\n' })
    assert.equal(
      robot.taken.join(),
      [
        '# [FIRING:1] GC pause',
        '**<font color="warning">firing</font> GC pause > 10 ms**',
        '> stopped for 42.0 ms',
        '> since 2026-11-23T10:00:00Z',
        '> source: `web/shop/1/2026`',
        '> [Open the panel](http://grafana/d/x?viewPanel=3)',
      ].join('\n'),
    )
  })

  it('takes nothing without the token, with a wrong one, or with a part of it', async () => {
    for (const authorization of [
      '',
      token,
      'Bearer ',
      `Bearer ${token.slice(1)}`,
      `Bearer ${token}x`,
      `Basic ${token}`,
    ])
      assert.equal((await post(JSON.stringify(webhook()), { authorization })).status, 401, authorization)
    assert.equal((await fetch(`http://127.0.0.1:${relay.port}/`)).status, 405)
    assert.deepEqual(robot.taken, [])
  })

  it('takes no body above its limit, whether it says its length or not', async () => {
    const large = 'x'.repeat(maxBodyBytes + 1)
    assert.equal((await post(large)).status, 413)
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'transfer-encoding': 'chunked' }
      const request = httpRequest({ host: '127.0.0.1', port: relay.port, method: 'POST', headers })
      request.on('response', (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', reject)
      // Never ended: it is answered all the same.
      request.write(large)
    })
    assert.equal(status, 413)
    assert.equal((await post('x', { authorization: `Bearer ${token}`, 'content-encoding': 'gzip' })).status, 415)
  })

  it('says what is wrong with a body that is no webhook', async () => {
    for (const body of ['', '{', '[]', JSON.stringify({ ...webhook(), alerts: [] })]) {
      const { status, text } = await post(body)
      assert.equal(status, 400)
      assert.match(text, /^no webhook of Grafana: /)
    }
  })

  it('keeps values of labels on their lines, and lets them call nobody and link nowhere', async () => {
    const labels = { alertname: 'a\n# b', who: '<@everyone>`\n> x' }
    await post(JSON.stringify(webhook({ labels, panelURL: 'javascript:alert(1)' })))
    const lines = robot.taken.join().split('\n')
    assert.ok(lines.includes('**<font color="warning">firing</font> a # b**'))
    assert.ok(lines.includes("> who: `< @everyone>' > x`"))
    assert.doesNotMatch(robot.taken.join(), /javascript/)
  })

  it('keeps to 20 messages a minute: the 21st is to come again, and is taken a minute later', async () => {
    for (let sent = 0; sent < 20; sent++)
      assert.equal((await post(JSON.stringify(webhook({ fingerprint: String(sent) })))).status, 200)
    const body = JSON.stringify(webhook())
    assert.equal((await post(body)).status, 503)
    nowMs += 61_000
    assert.equal((await post(body)).status, 200)
    assert.equal(robot.taken.length, 21)
  })

  const many = (count: number, group = 'g') => ({
    ...webhook(),
    groupKey: group,
    alerts: Array.from({ length: count }, (_, n) => ({
      status: n % 2 === 0 ? 'resolved' : 'firing',
      labels: { alertname: `alert ${n}`, source: `web/shop/${n}/2026` },
      annotations: { summary: 'stopped for 42.0 ms', description: 'x'.repeat(200) },
      startsAt: '2026-11-23T10:00:00Z',
      fingerprint: `${group}${n}`,
    })),
  })
  const alertsIn = (messages: readonly string[]) => (messages.join('\n').match(/^\*\*<font/gm) ?? []).length

  it('tells as many of a thousand alerts as ten messages hold, those that fire first, counts the rest, and does not wait', async () => {
    const startMs = nowMs
    assert.deepEqual(await post(JSON.stringify(many(1000))), { status: 200, text: 'told\n' })
    assert.equal(nowMs, startMs)
    assert.equal(robot.taken.length, 10)
    const told = alertsIn(robot.taken)
    assert.ok(told > 80, String(told))
    assert.ok(robot.taken.at(-1)!.endsWith(`\n… and ${1000 - told} more: see Grafana`))
    assert.doesNotMatch(robot.taken.join(), /resolved<\/font>/)
    // Ten more are there in this minute, and then as many as there is room for.
    assert.equal((await post(JSON.stringify(webhook()))).status, 200)
    assert.equal((await post(JSON.stringify(many(201, 'h')))).status, 200)
    assert.equal(robot.taken.length, 20)
    assert.match(robot.taken.at(-1)!, /… and \d+ more: see Grafana$/)
    assert.equal((await post(JSON.stringify(many(1, 'i')))).status, 503)
  })

  it('tells all alerts when they find room, whatever labels they have', async () => {
    const labels = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`${'n'.repeat(250)}${n}`, 'v']))
    const body = { ...many(20), alerts: [...many(20).alerts, { ...webhook({ labels }).alerts[0] }] }
    assert.equal((await post(JSON.stringify(body))).status, 200)
    assert.equal(alertsIn(robot.taken), 21)
    assert.doesNotMatch(robot.taken.join(), /more: see Grafana/)
  })

  it('does not tell again what was told in full, until a state changes or ten minutes have passed', async () => {
    const body = { ...many(3), alerts: many(3).alerts.map((alert) => ({ ...alert, values: { A: Math.random() } })) }
    assert.deepEqual(await post(JSON.stringify(many(3))), { status: 200, text: 'told\n' })
    nowMs += 300_000
    assert.deepEqual(await post(JSON.stringify(body)), { status: 200, text: 'told before\n' })
    assert.equal(robot.taken.length, 1)
    body.alerts[1]!.status = 'resolved'
    assert.deepEqual(await post(JSON.stringify(body)), { status: 200, text: 'told\n' })
    nowMs += 301_000
    assert.deepEqual(await post(JSON.stringify(many(3))), { status: 200, text: 'told\n' })
    robot.next.push(93000)
    assert.equal((await post(JSON.stringify(many(4)))).status, 502)
    assert.deepEqual(await post(JSON.stringify(many(4))), { status: 200, text: 'told\n' })
  })

  it('sends away what cannot be told within the time Grafana waits', async () => {
    // Somebody else uses the robot, too: there is room in a minute.
    robot.next.push(45009)
    const startMs = nowMs
    assert.equal((await post(JSON.stringify(webhook()))).status, 503)
    nowMs += 61_000
    robot.next.push(-1, -1, -1)
    assert.equal((await post(JSON.stringify(webhook()))).status, 200)
    assert.equal(nowMs, startMs + 61_000 + 7000)
  })

  it('does not tell what Grafana has hung up on while it waited: it comes again', async () => {
    let goOn: () => void = () => undefined
    const waits = new Promise<void>((waiting) => {
      sleep = () => {
        waiting()
        return new Promise((resolve) => (goOn = resolve))
      }
    })
    robot.next.push(-1)
    const first = post(JSON.stringify(many(1)))
    await waits
    const headers = { authorization: `Bearer ${token}` }
    const impatient = httpRequest({ host: '127.0.0.1', port: relay.port, method: 'POST', headers })
    impatient.on('error', () => undefined).end(JSON.stringify(many(2)))
    await once(impatient, 'finish')
    const third = post(JSON.stringify(many(3)))
    await new Promise((resolve) => impatient.on('close', resolve).destroy())
    // By the time this is answered the other is known to be gone.
    await post('x', {})
    goOn()
    assert.deepEqual([(await first).status, (await third).status], [200, 200])
    assert.deepEqual(
      robot.taken.map((text) => alertsIn([text])),
      [1, 3],
    )
  })

  it('answers 502 when the robot refuses, and shows its key to nobody', async () => {
    robot.next.push(93000)
    const { status, text } = await post(JSON.stringify(webhook()))
    assert.equal(status, 502)
    assert.match(text, /WeCom refused the alert: errcode 93000/)
    assert.ok(!(text + notes.join()).includes(key))
  })
})

describe('dualtrace alerts relay', () => {
  const children: ChildProcess[] = []
  afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')))

  it('listens on the loopback interface and ends at SIGTERM', async () => {
    const robot = await startWecomRobot({ key })
    const env = { ...process.env, WECOM_WEBHOOK_URL: robot.url.href, DUALTRACE_RELAY_TOKEN: token }
    const child = spawn(process.execPath, [cliPath, 'alerts', 'relay', '--port', '0'], { env })
    children.push(child)
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
    while (!stderr.includes('listens on')) await new Promise((resolve) => child.stderr.once('data', resolve))
    const port = /listens on 127\.0\.0\.1:(\d+)$/m.exec(stderr)![1]!
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers,
      body: JSON.stringify(webhook()),
    })
    assert.equal(response.status, 200)
    assert.equal(robot.taken.length, 1)
    child.kill('SIGTERM')
    assert.equal(await exited, 0)
    await robot.stop()
    assert.ok(!stderr.includes(key) && !stderr.includes(token))
  })

  it('ends within 10 s of SIGTERM while the robot does not answer', async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const robotUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/send?key=${key}`
    const env = { ...process.env, WECOM_WEBHOOK_URL: robotUrl, DUALTRACE_RELAY_TOKEN: token }
    const child = spawn(process.execPath, [cliPath, 'alerts', 'relay', '--port', '0'], { env })
    children.push(child)
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
    while (!stderr.includes('listens on')) await new Promise((resolve) => child.stderr.once('data', resolve))
    const address = `http://127.0.0.1:${/listens on 127\.0\.0\.1:(\d+)$/m.exec(stderr)![1]!}/`
    const headers = { authorization: `Bearer ${token}` }
    const asked = once(silent, 'request')
    const answers = ['a', 'b'].map((fingerprint) =>
      fetch(address, { method: 'POST', headers, body: JSON.stringify(webhook({ fingerprint })) }),
    )
    await asked
    const startMs = Date.now()
    child.kill('SIGTERM')
    for (const answer of answers) assert.equal((await answer).status, 503)
    assert.equal(await exited, 0)
    assert.ok(Date.now() - startMs < 10_000, `${Date.now() - startMs} ms`)
    silent.closeAllConnections()
    silent.close()
  })

  const url = 'http://127.0.0.1:1/send?key=K'
  for (const [what, env, sentence] of [
    ['a token', { WECOM_WEBHOOK_URL: url, DUALTRACE_RELAY_TOKEN: '' }, /the relay needs a token: set/],
    ['a robot', { WECOM_WEBHOOK_URL: '', DUALTRACE_RELAY_TOKEN: token }, /the relay needs a robot: set/],
    ['a token that is long enough', { WECOM_WEBHOOK_URL: url, DUALTRACE_RELAY_TOKEN: 'short' }, /at least 16/],
  ] as const)
    it(`does not start without ${what}`, async () => {
      const { code, stderr } = await runCli(['alerts', 'relay', '--port', '0'], { env })
      assert.equal(code, 2)
      assert.match(stderr, sentence)
      assert.ok(!stderr.includes('key=K'))
    })
})
