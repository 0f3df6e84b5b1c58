import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Secret } from '../../src/secret.js'
import { freePort } from '../../src/stack/ports.js'
import { packageRoot } from '../../src/stack/paths.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames } from '../../src/transport/topics.js'
import { runCli } from '../support/cli.js'
import { CollectorProcess } from '../support/collector.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { PipelineProcess } from '../support/pipelineProcess.js'
import { requireJava, requireOpenssl, requirePerf } from '../support/requirements.js'
import { randomSecret, type SecuredStack, securedStack } from '../support/securedStack.js'
import { metricsOn, statusPage } from '../support/statusPage.js'
import { startWecomRobot } from '../support/wecomRobot.js'

const prefix = 'secrets.'
const healthy = join(packageRoot(), 'test/captures/healthy')

/** Everything that processes with secrets said or left behind, by where it was found. */
const outputs = new Map<string, string>()
const secrets = new Map<string, string>()

function newSecret(name: string): string {
  const value = randomSecret(name)
  secrets.set(name, value)
  return value
}

/** A secret as it is, as it stands in an address or in JSON, and as HTTP carries it. */
function spellings(value: string): string[] {
  const base64 = ['writer', 'alice', 'reader', 'gopher'].map((user) =>
    Buffer.from(`${user}:${value}`).toString('base64'),
  )
  return [value, encodeURIComponent(value), encodeURI(value), JSON.stringify(value).slice(1, -1), ...base64]
}

function keepFiles(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = readFileSync(path)
    outputs.set(path, (entry.name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1'))
  }
}

describe('secrets', function () {
  let secured: SecuredStack
  let dir: string
  /** A pprof endpoint that wants a login and is broken even then. */
  let endpoint: Server
  let traceUrl: string
  const children: ChildProcess[] = []

  before(async function () {
    requireJava(this)
    requireOpenssl(this)
    secured = await securedStack()
    dir = mkdtempSync(join(tmpdir(), 'dualtrace-secrets-'))
    secrets.set('kafka', secured.kafkaPassword)
    secrets.set('questdb', secured.questdbPassword)
    secrets.set('pg', secured.pgPassword)
    endpoint = createServer((request, response) =>
      response.writeHead(500).end(`broken: ${request.url!} ${request.headers.authorization ?? ''}`),
    )
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
    const address = new URL(`http://gopher@127.0.0.1:${(endpoint.address() as AddressInfo).port}/debug/pprof/trace`)
    address.password = encodeURIComponent(newSecret('pprof'))
    address.searchParams.set('key', newSecret('pprof-key'))
    traceUrl = address.href
  })
  after(() => {
    for (const child of children) child.kill('SIGKILL')
    const [server, made] = [endpoint as Server | undefined, dir as string | undefined]
    server?.close()
    server?.closeAllConnections()
    if (made !== undefined) rmSync(made, { recursive: true, force: true })
  })

  const kafka = (more: Record<string, string> = {}) => ({
    DUALTRACE_KAFKA: secured.brokers.login,
    DUALTRACE_TOPIC_PREFIX: prefix,
    DUALTRACE_GROUP: 'secrets',
    DUALTRACE_KAFKA_TLS: 'true',
    DUALTRACE_KAFKA_CA_FILE: secured.certificates.ca,
    DUALTRACE_KAFKA_SASL: 'scram-sha-256',
    DUALTRACE_KAFKA_USERNAME: 'alice',
    DUALTRACE_KAFKA_PASSWORD: secured.kafkaPassword,
    ...more,
  })
  const normalizer = (more: Record<string, string> = {}) => ({
    ...kafka(),
    DUALTRACE_QUESTDB: secured.stack.questdb.url,
    DUALTRACE_QUESTDB_USERNAME: 'writer',
    DUALTRACE_QUESTDB_PASSWORD: secured.questdbPassword,
    DUALTRACE_LOG_LEVEL: 'debug',
    ...more,
  })

  const archiver = (archive: string, more: Record<string, string> = {}) => ({
    ...kafka(),
    DUALTRACE_ARCHIVE: archive,
    DUALTRACE_ARCHIVE_GROUP: 'secrets-archive',
    DUALTRACE_ARCHIVE_FLUSH_EVERY: '300ms',
    DUALTRACE_ARCHIVE_MAX_AGE: '36500d',
    ...more,
  })

  it('let a normalizer, which refuses what is wrong, do its work', async () => {
    const port = await freePort()
    const running = new NormalizerProcess(normalizer({ DUALTRACE_STATUS_PORT: String(port) }))
    await running.said('normalizing')
    const replayed = await runCli(['replay', healthy, '--topic-prefix', prefix], { env: kafka() })
    assert.equal(replayed.code, 0, replayed.stderr)
    outputs.set('replay', replayed.stdout + replayed.stderr)
    const { tls, sasl } = {
      tls: { ca: secured.certificates.ca, certificate: undefined, key: undefined, serverName: undefined },
      sasl: { mechanism: 'plain' as const, username: 'alice', password: new Secret(secured.kafkaPassword) },
    }
    const options = { brokers: [secured.brokers.login], clientId: 'test', onWarning: () => undefined, tls, sasl }
    const transport = new KafkaTransport(options)
    const topics = topicNames(prefix)
    const producer = await transport.producer()
    await producer.send([{ topic: topics.perf, key: 'poison', headers: {}, value: Buffer.from('poison') }])
    let dead = ''
    const consumer = await transport.consume({
      group: 'secrets-dead',
      sessionTimeoutMs: 10_000,
      topics: [topics.deadLetter],
      onAssigned: () => undefined,
      onMessages: (_topic, _partition, messages) => {
        dead += JSON.stringify(messages.map(({ key, headers, value }) => [key, headers, Buffer.from(value).toString()]))
        return Promise.resolve()
      },
    })
    while (dead === '') await sleep(50)
    await consumer.stop()
    await producer.close()
    await transport.close()
    outputs.set('dead letters', dead)
    for (const page of ['/metrics', '/readyz', '/healthz'])
      outputs.set(page, await (await fetch(`http://127.0.0.1:${port}${page}`)).text())
    assert.equal(await running.stop(), 0)
    outputs.set('normalizer', running.lines.join('\n'))
    assert.match(outputs.get('dead letters')!, /poison/)
    assert.match(outputs.get('/metrics')!, /dualtrace_/)
  })

  const failures: [string, () => Record<string, string>, RegExp][] = [
    [
      'Kafka refuses',
      () => ({ DUALTRACE_KAFKA_PASSWORD: newSecret('kafka-wrong') }),
      /^dualtrace: Kafka at .* refused the login of alice/m,
    ],
    [
      'QuestDB refuses',
      () => ({ DUALTRACE_QUESTDB_PASSWORD: newSecret('questdb-wrong') }),
      /^dualtrace: QuestDB at .* refused the login/m,
    ],
    [
      'QuestDB refuses the token of',
      () => ({
        DUALTRACE_QUESTDB_USERNAME: '',
        DUALTRACE_QUESTDB_PASSWORD: '',
        DUALTRACE_QUESTDB_TOKEN: newSecret('questdb-token'),
      }),
      /^dualtrace: QuestDB at .* refused the login/m,
    ],
  ]
  for (const [what, env, sentence] of failures)
    it(`are not told when ${what} a normalizer, which ends with exit code 2`, async () => {
      const running = new NormalizerProcess(normalizer(env()))
      assert.equal(await running.exited, 2)
      const said = running.lines.join('\n')
      outputs.set(`normalizer: ${what}`, said)
      assert.match(said, sentence)
    })

  it('let an archiver do its work, and are not in what it says and writes', async () => {
    const port = await freePort()
    const archive = join(dir, 'archive')
    const running = new PipelineProcess('archive', archiver(archive, { DUALTRACE_STATUS_PORT: String(port) }))
    await running.said('archiving')
    const replayed = await runCli(['replay', healthy, '--topic-prefix', prefix], { env: kafka() })
    assert.equal(replayed.code, 0, replayed.stderr)
    while (((await metricsOn(port)).get('dualtrace_archiver_flushes_total') ?? 0) === 0) await sleep(50)
    for (const page of ['/metrics', '/readyz', '/healthz'])
      outputs.set(`archiver: ${page}`, (await statusPage(port, page)).text)
    assert.equal(await running.stop(), 0)
    outputs.set('archiver', running.lines.join('\n'))
    keepFiles(archive)
    const written = [...outputs].filter(([where]) => where.startsWith(archive))
    const holds = (name: string, text: string) =>
      written.some(([where, content]) => where.endsWith(name) && content.includes(text))
    assert.ok(holds('manifest.json', '"source"'), written.map(([where]) => where).join())
    assert.ok(holds('perf.script.gz', 'PERF_RECORD_SWITCH'))
  })

  it('end an archiver that Kafka refuses with exit code 2, and are not told', async () => {
    const wrong = { DUALTRACE_KAFKA_PASSWORD: newSecret('archiver-wrong') }
    const running = new PipelineProcess('archive', archiver(join(dir, 'archive-refused'), wrong))
    assert.equal(await running.exited, 2)
    outputs.set('archiver: refused', running.lines.join('\n'))
    assert.match(outputs.get('archiver: refused')!, /refused the login of alice/)
  })

  it('are not told while Kafka is away', async () => {
    const port = await freePort()
    const running = new NormalizerProcess(normalizer({ DUALTRACE_KAFKA: `127.0.0.1:${port}` }))
    await running.said('does not answer')
    await running.stop()
    outputs.set('normalizer: no Kafka', running.lines.join('\n'))
  })

  it('are not told by settings that are wrong', async () => {
    const env = { ...normalizer(), DUALTRACE_KAFKA_SASL: 'kerberos', DUALTRACE_KAFKA_TLS: 'maybe' }
    const { code, stdout, stderr } = await runCli(['validate', join(packageRoot(), 'pipelines/normalize.yaml')], {
      env,
    })
    assert.equal(code, 2)
    outputs.set('validate', stdout + stderr)
    const inUrl = `http://writer:${encodeURIComponent(secured.questdbPassword)}@127.0.0.1:9000`
    const address = await runCli(['validate', join(packageRoot(), 'pipelines/normalize.yaml')], {
      env: { ...normalizer(), DUALTRACE_QUESTDB: inUrl },
    })
    assert.equal(address.code, 2)
    assert.match(address.stderr, /questdb\.url: user and password are settings of their own/)
    outputs.set('validate an address', address.stderr)
  })

  it('are not told by a collector whose process wants a login, nor kept in its spool', async () => {
    const spool = join(dir, 'spool')
    const env = {
      DUALTRACE_PID: String(process.pid),
      DUALTRACE_PERF: 'false',
      DUALTRACE_TRACE_URL: traceUrl,
      DUALTRACE_SPOOL: spool,
      DUALTRACE_REPORT_EVERY: '1s',
    }
    const running = new CollectorProcess({ ...kafka(), ...env })
    await running.said('no trace; asking again')
    await running.said('"status"')
    assert.equal(await running.stop(), 0)
    outputs.set('collector', running.lines.join('\n'))
    keepFiles(spool)
  })

  it('end a collector that Kafka refuses with exit code 2, and are not told', async () => {
    const wrong = kafka({ DUALTRACE_KAFKA_PASSWORD: newSecret('collector-wrong') })
    const running = new CollectorProcess({
      ...wrong,
      DUALTRACE_PID: String(process.pid),
      DUALTRACE_PERF: 'false',
      DUALTRACE_TRACE_URL: traceUrl,
      DUALTRACE_SPOOL: join(dir, 'spool-refused'),
    })
    assert.equal(await running.exited, 2)
    outputs.set('collector: refused', running.lines.join('\n'))
    assert.match(outputs.get('collector: refused')!, /refused the login of alice/)
  })

  it('are in no file that record writes, and not in what it says', async function () {
    requirePerf(this)
    const out = join(dir, 'capture')
    const password = newSecret('argument')
    const command = [
      'sh',
      '-c',
      'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.3',
      'sh',
      `--password=${password}`,
    ]
    const recorded = await runCli(['record', '--duration', '1s', '--out', out, '--', ...command])
    assert.equal(recorded.code, 0, recorded.stderr)
    outputs.set('record', recorded.stdout + recorded.stderr)
    keepFiles(out)
    assert.match(outputs.get(join(out, 'manifest.json'))!, /--password=\[secret\]/)
    const refused = await runCli(['record', '--pid', String(process.pid), '--trace-url', traceUrl, '--out', `${out}-2`])
    assert.equal(refused.code, 2)
    outputs.set('record: refused', refused.stdout + refused.stderr)
  })

  it('are not told when robot and QuestDB refuse the alerts', async () => {
    const key = newSecret('robot')
    const robot = await startWecomRobot({ key })
    robot.next.push(93000)
    const pgUrl = (password: string) => {
      const address = new URL(`postgres://reader@127.0.0.1:${secured.stack.questdb.pgPort}/qdb`)
      address.password = encodeURIComponent(password)
      return address.href
    }
    const address = new URL(robot.url)
    address.searchParams.set('key', key)
    const state = join(dir, 'alerts.json')
    const run = (questdb: string) =>
      runCli(['alerts', 'eval', '--state', state], {
        env: { WECOM_WEBHOOK_URL: address.href, DUALTRACE_QUESTDB_PG: questdb },
      })
    const refused = await run(pgUrl(newSecret('pg-wrong')))
    assert.equal(refused.code, 2)
    outputs.set('alerts: refused', refused.stdout + refused.stderr)

    const token = newSecret('relay')
    const env = { ...process.env, WECOM_WEBHOOK_URL: address.href, DUALTRACE_RELAY_TOKEN: token }
    const main = join(import.meta.dirname, '../../src/cli/main.js')
    const relay = spawn(process.execPath, [main, 'alerts', 'relay', '--port', '0'], { env })
    children.push(relay)
    let said = ''
    relay.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    while (!said.includes('listens on')) await sleep(20)
    const port = /:(\d+)$/m.exec(said)![1]!
    const body = JSON.stringify({ alerts: [{ status: 'firing' }] })
    const post = (authorization: string) =>
      fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers: { authorization } })
    assert.equal((await post('Bearer wrong')).status, 401)
    const answer = await post(`Bearer ${token}`)
    const text = await answer.text()
    assert.equal(answer.status, 502, `${text}${said}`)
    outputs.set('relay: answer', text)
    relay.kill('SIGTERM')
    await new Promise((resolve) => relay.once('close', resolve))
    outputs.set('relay', said)
    await robot.stop()
  })

  it('are found nowhere in all that was said, answered and written', () => {
    assert.ok(outputs.size >= 24, [...outputs.keys()].join())
    for (const [where, text] of outputs)
      for (const [name, value] of secrets)
        for (const spelling of spellings(value))
          assert.ok(!text.includes(spelling), `the secret ${name} is in: ${where}`)
  })
})
