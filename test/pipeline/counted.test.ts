import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import type { Row } from '../../src/measures/table.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { querySql } from '../../src/store/sql.js'
import { encodeEnvelope } from '../../src/transport/envelope.js'
import { recordedBytes } from '../../src/transport/packing.js'
import type { OutMessage } from '../../src/transport/transport.js'
import { Deployment } from '../support/deployment.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { steppedTrace } from '../support/steppedTrace.js'
import { computedRows, delivered, deliveryRows, storedRows } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const ended = 'the source has ended'

describe('what is wrong with a stream through the real Kafka', function () {
  let stack: LocalStack
  let deployment: Deployment

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
  })

  afterEach(async function () {
    await deployment.endTest(this.currentTest)
  })

  /** A message that a normalizer takes for a piece of perf text, but for what is changed in it. */
  function perfMessage(headers: Record<string, string> = {}, value = Buffer.from('text\n')): OutMessage {
    const names = { source: 'test/other/1/2026', service: 'other', host: 'test', stream: '1' }
    const good = encodeEnvelope({ ...names, track: 'perf', tracks: 'perf', position: 0 })
    return { topic: deployment.topics.perf, partition: 1, key: 'other', headers: { ...good, ...headers }, value }
  }

  it('is counted by name, and the rest goes on', async () => {
    // Counts are of one process and one assignment: a busy machine must not end that.
    deployment = new Deployment(stack, 'counted', { DUALTRACE_SESSION_TIMEOUT: '30s' })
    const normalizer = await deployment.start()
    await normalizer.said('reading', '"partition":3')
    let perf = 0
    let held: OutMessage | undefined
    await deployment.ship(capture, {
      messageBytes: 100_000,
      alter: (messages) =>
        messages.flatMap((message) => {
          if (message.topic !== deployment.topics.perf || message.value?.length === 0) return [message]
          perf++
          // The third comes twice; the fifth comes after the ninth.
          if (perf === 3) return [message, message]
          if (perf === 5) held = message
          return perf === 5 ? [] : perf === 9 ? [message, held!] : [message]
        }),
    })
    await deployment.withProducer(async (producer) => {
      await producer.send([perfMessage({ schema: '2' }), perfMessage({ position: 'x' })])
      await producer.send([{ ...perfMessage(), topic: deployment.topics.gotrace }])
      await producer.send([perfMessage({}, Buffer.alloc(3_000_000))])
    })
    await sendRaw(kafkajs.CompressionTypes.GZIP, { value: Buffer.alloc(80_000_000) })
    await sendRaw(kafkajs.CompressionTypes.Snappy, { value: Buffer.from('snap') })
    await normalizer.said(ended, deployment.source)
    await normalizer.said('"kind":"unreadable"', 'Snappy')
    const metrics = await deployment.metrics()
    const lostBytes = recordedBytes(held!)
    const expected = {
      'duplicate_messages_total{track="perf"}': 1,
      'gaps_total{track="perf"}': 1,
      'lost_bytes_total{track="perf"}': lostBytes,
      'late_messages_total{track="perf"}': 1,
      'dead_letters_total{reason="future_schema"}': 1,
      'dead_letters_total{reason="malformed"}': 1,
      'dead_letters_total{reason="wrong_topic"}': 1,
      'dead_letters_total{reason="too_large"}': 1,
      'dead_letters_total{reason="unreadable"}': 2,
      'stuck_total{cause="consumer"}': 0,
    }
    for (const [name, value] of Object.entries(expected)) assert.equal(metrics.get(`dualtrace_${name}`), value, name)
    assert.ok(metrics.get('dualtrace_rows_total{table="time_classes"}')! > 0)
    assert.ok(metrics.get('dualtrace_kafka_compression_ratio')! > 1)
    assert.ok(metrics.get('dualtrace_checkpoints_total')! > 0)
    assert.deepEqual(await deployment.status('/healthz'), { status: 200, text: 'ok\n' })
    assert.deepEqual(await deployment.status('/readyz'), { status: 200, text: 'ready\n' })
    const health = (await storedRows(stack.questdb.url, deployment.source))['pipeline_health']!
    const lost = health.map((row) => Number(row['lost_bytes'])).reduce((sum, bytes) => sum + bytes, 0)
    assert.equal(lost, lostBytes)
    const { url } = stack.questdb
    const [other] = await deliveryRowsOf('other')
    assert.equal(await normalizer.stop(), 0)
    const run = String(other!['run'])
    assert.deepEqual(await delivered(url, deployment.source, run), {
      'perf duplicates': 1,
      'perf gaps': 1,
      'perf late_messages': 1,
    })
    assert.deepEqual(await delivered(url, 'other', run), {
      'gotrace dead_letters': 1,
      'gotrace poison': 1,
      'perf dead_letters': 3,
      'perf future_schema': 1,
      'perf poison': 2,
    })
    // The key of what cannot be unpacked is not known.
    assert.deepEqual(await delivered(url, 'unknown', run), { 'perf dead_letters': 2, 'perf poison': 2 })
    const arrivedMs = Number(BigInt(other!.ts) / 1_000_000n)
    assert.ok(Math.abs(Date.now() - arrivedMs) < 300_000, 'the time is that of arrival')
    assert.deepEqual(
      [other!['service'], other!['host'], other!['bytes'], other!['lost']],
      ['other', 'test', null, null],
    )
  })

  it('is counted when a track falls silent', async () => {
    deployment = new Deployment(stack, 'silent', { DUALTRACE_LATENESS: '2s' })
    const normalizer = await deployment.start()
    await normalizer.said('reading', '"partition":3')
    const isEnd = ({ topic, value }: OutMessage) => topic === deployment.topics.perf && value?.length === 0
    await deployment.ship(capture, {
      messageBytes: 100_000,
      alter: (messages) => messages.filter((message) => !isEnd(message)),
    })
    await normalizer.said('silent for too long', '"track":"perf"', deployment.source)
    await normalizer.said(ended, deployment.source)
    assert.equal((await deployment.metrics()).get('dualtrace_silent_tracks_total{track="perf"}'), 1)
    assert.equal(await normalizer.stop(), 0)
    assert.deepEqual(await delivered(stack.questdb.url, deployment.source), { 'perf silent': 1 })
  })

  it('is counted when clocks are set back or forth, and when perf tells of what is long over', async () => {
    deployment = new Deployment(stack, 'clocks')
    const normalizer = await deployment.start()
    await normalizer.said('reading', '"partition":3')
    const { source } = deployment
    await deployment.withProducer(async (producer) => {
      // Of a stream that is later than all others.
      const { topic, headers, value } = perfMessage({ source, stream: '9' })
      await producer.send([{ topic, key: source, headers, value }])
      while ((await deployment.metrics()).get('dualtrace_active_sources') !== 1) await sleep(50)
    })
    const directory = mkdtempSync(join(tmpdir(), 'dualtrace-clocks-'))
    try {
      const lateEvents = writeTroubledCapture(directory)
      await deployment.ship(directory, { messageBytes: 100_000 })
      await normalizer.said(ended, source)
      const metrics = await deployment.metrics()
      assert.equal(metrics.get('dualtrace_clock_steps_total'), 1)
      assert.equal(metrics.get('dualtrace_late_events_total'), lateEvents)
      const past = (of: string) => metrics.get(`dualtrace_streams_from_the_past_total{track="${of}"}`) ?? 0
      assert.equal(past('gotrace') + past('perf'), 1)
      assert.equal(await normalizer.stop(), 0)
      const health = (await storedRows(stack.questdb.url, source))['pipeline_health']!
      const sum = (name: string) => health.reduce((total, row) => total + Number(row[name]), 0)
      assert.deepEqual([sum('clock_steps'), sum('late')], [1, lateEvents])
      const seen = await delivered(stack.questdb.url, source)
      assert.deepEqual(seen, {
        ...(past('gotrace') > 0 ? { 'gotrace from_the_past': 1 } : { 'perf from_the_past': 1 }),
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it('is nothing when names look like SQL or paths: they are data', async () => {
    deployment = new Deployment(stack, 'hostile')
    const normalizer = await deployment.start()
    await normalizer.said('reading', '"partition":3')
    const service = `x'; DROP TABLE gc_pauses; --`
    const name = `test/${service}/1/2026`
    await deployment.ship(capture, {
      messageBytes: 100_000,
      alter: (messages) =>
        messages.map((message) => ({ ...message, headers: { ...message.headers, source: name, service } })),
    })
    await normalizer.said(ended, 'DROP TABLE')
    const offline = await analyzeCapture(capture)
    const expected = computedRows(
      offline.rows.map(({ table, row }) => ({ table, row: { ...row, service } })),
      name,
    )
    const stored = await storedRows(stack.questdb.url, name.replaceAll("'", "''"))
    assert.deepEqual(stored, expected)
    const { rows } = await querySql(stack.questdb.url, "select count() from tables() where table_name = 'gc_pauses'")
    assert.deepEqual(rows, [[1]])
  })

  it('is forgotten, as every run that is over, when Kafka has forgotten it too', async () => {
    deployment = new Deployment(stack, 'expiring', { DUALTRACE_RETENTION: '3s' })
    const normalizer = await deployment.start()
    await normalizer.said('reading', '"partition":3')
    await deployment.ship(capture, { messageBytes: 300_000 })
    await normalizer.said(ended, deployment.source)
    await normalizer.said('forgot runs that were over long ago')
    assert.equal((await deployment.metrics()).get('dualtrace_checkpoints_expired_total'), 1)
  })

  /** What was seen of a source's deliveries, once some of it has been written. */
  async function deliveryRowsOf(source: string): Promise<Row[]> {
    for (;;) {
      const rows = await deliveryRows(stack.questdb.url, source)
      if (rows.length > 0) return rows
      await sleep(50)
    }
  }

  /** Sends one message to partition 2 of perf as another program might. */
  async function sendRaw(type: kafkajs.CompressionTypes, message: { value: Buffer }) {
    const codecs = kafkajs.CompressionCodecs as Record<number, () => unknown>
    const own = codecs[type]!
    if (type === kafkajs.CompressionTypes.Snappy)
      codecs[type] = () => ({ compress: ({ buffer }: { buffer: Buffer }) => Promise.resolve(snappy(buffer)) })
    const kafka = new kafkajs.Kafka({ brokers: [...stack.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    const topic = deployment.topics.perf
    await producer.send({ topic, compression: type, messages: [{ partition: 2, key: 'raw', ...message }] })
    await producer.disconnect()
    codecs[type] = own
    await sleep(1)
  }
})

/** The capture as if the wall clock had been set by an hour, and perf told of something old at the end. @returns how many events that is */
function writeTroubledCapture(directory: string): number {
  const from = (name: string) => join(capture, name)
  copyFileSync(from('manifest.json'), join(directory, 'manifest.json'))
  const manifest = JSON.parse(readFileSync(from('manifest.json'), 'utf8')) as { clock: { wallNs: string } }
  const firstSecond = Number(BigInt(manifest.clock.wallNs) / 1_000_000_000n) - 5
  const { bytes, snapshots } = steppedTrace(readFileSync(from('go.trace')), 3600, firstSecond)
  assert.ok(snapshots > 3, `${snapshots} snapshots`)
  writeFileSync(join(directory, 'go.trace'), bytes)
  const text = gunzipSync(readFileSync(from('perf.script.gz'))).toString()
  const records = text.split('\n').filter((line) => line.includes('syscalls:sys_exit_futex: '))
  assert.ok(records.length > 10)
  const old = records.slice(3, 6)
  writeFileSync(join(directory, 'perf.script.gz'), gzipSync(`${text}${old.join('\n')}\n`))
  return old.length
}

/** Snappy without compressing: the length, and one literal. */
function snappy(bytes: Buffer): Buffer {
  const length: number[] = []
  let rest = bytes.length
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  length.push(rest)
  const literal = Buffer.of(61 << 2, (bytes.length - 1) & 0xff, (bytes.length - 1) >> 8)
  return Buffer.concat([Buffer.from(length), literal, bytes])
}
