import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, analyzeOffline, type OfflineResult, openCapture } from '../../src/pipeline/offline.js'
import type { OfflineSource } from '../../src/pipeline/offlineSource.js'
import { replay } from '../../src/pipeline/replay.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import type { Track } from '../../src/transport/envelope.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames, topicSpecs, tracks } from '../../src/transport/topics.js'
import type { InMessage, OutMessage, Producer } from '../../src/transport/transport.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

/** Five seconds of a service with everything in it. */
const full = join(packageRoot(), 'test/captures/stw-netpoll')
/** A third of its bytes: for what asks nothing of them. */
const small = join(packageRoot(), 'test/captures/healthy')
const ended = 'the source has ended'

describe('the stream through the real Kafka and QuestDB', function () {
  let stack: LocalStack
  const offline = new Map<string, OfflineResult>()
  let deployments = 0
  const running = new Set<NormalizerProcess>()

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
    for (const capture of [full, small]) offline.set(capture, await analyzeCapture(capture))
  })

  afterEach(async function () {
    for (const normalizer of running) {
      await normalizer.kill()
      if (this.currentTest?.isFailed() === true) process.stderr.write(`${normalizer.lines.slice(-40).join('\n')}\n`)
    }
    running.clear()
  })

  /** Topics and a group of their own for every test, and a source name, so that no test sees another's rows. */
  function deployment(env: Record<string, string> = {}) {
    const name = `stream${++deployments}`
    const all = {
      DUALTRACE_KAFKA: stack.kafka.brokers.join(','),
      DUALTRACE_QUESTDB: stack.questdb.url,
      DUALTRACE_TOPIC_PREFIX: `${name}.`,
      DUALTRACE_GROUP: name,
      DUALTRACE_SESSION_TIMEOUT: '2s',
      DUALTRACE_CHECKPOINT_EVERY: '100ms',
      ...env,
    }
    return {
      source: `test/${name}/1/2026`,
      topics: topicNames(`${name}.`),
      start() {
        const normalizer = new NormalizerProcess(all)
        running.add(normalizer)
        return normalizer
      },
    }
  }

  interface Shipping {
    /** The full one by default. */
    readonly capture?: string
    readonly messageBytes: number
    readonly speed?: number
    readonly sources?: number
    /** How often each message is sent. */
    readonly copies?: number
    /** Ships this track alone, as if the source had no other. */
    readonly only?: Track
    /** How many messages of perf's there are; then it falls silent, without an end. */
    readonly perfMessages?: number
  }

  async function withTransport(use: (transport: KafkaTransport) => Promise<void>) {
    const { brokers } = stack.kafka
    const transport = new KafkaTransport({ brokers, clientId: 'test', onWarning: () => undefined })
    await use(transport)
    await transport.close()
  }

  async function ship({ source, topics }: ReturnType<typeof deployment>, shipping: Shipping) {
    const { capture = full, messageBytes, speed, sources = 1, copies = 1, perfMessages = Infinity } = shipping
    await withTransport(async (transport) => {
      await transport.ensureTopics(topicSpecs(topics, 4, 3_600_000))
      const producer = await transport.producer()
      let perfLeft = perfMessages
      const passing = (message: OutMessage) => message.topic !== topics.perf || perfLeft-- > 0
      const copied = (message: OutMessage) => Array.from({ length: copies }, () => message)
      const altered: Pick<Producer, 'send'> = {
        send: (messages) => producer.send(messages.filter(passing).flatMap(copied)),
      }
      const opened = await openCapture(capture)
      const named = { ...only(opened, shipping.only), names: { ...opened.names, source } }
      await replay(named, altered, { topics, sources, speed, messageBytes })
      await producer.close()
    })
  }

  async function firstMessages(topic: string): Promise<readonly InMessage[]> {
    let found: readonly InMessage[] = []
    await withTransport(async (transport) => {
      const consumer = await transport.consume({
        group: `${topic}-reader`,
        sessionTimeoutMs: 10_000,
        topics: [topic],
        onAssigned: () => undefined,
        onMessages: (_topic, _partition, messages) => {
          found = messages
          return Promise.resolve()
        },
      })
      while (found.length === 0) await sleep(50)
      await consumer.stop()
    })
    return found
  }

  async function assertStored(source: string, computed = offline.get(full)) {
    const expected = computedRows(computed!.rows, source)
    assert.ok((expected['pipeline_health']?.length ?? 0) > 0)
    assert.deepEqual(await storedRows(stack.questdb.url, source), expected)
  }

  it('stores row for row what the offline analysis of the same capture computes', async () => {
    const own = deployment()
    const normalizer = own.start()
    await ship(own, { messageBytes: 50_000 })
    await normalizer.said(ended, own.source)
    await assertStored(own.source)
    assert.equal(await normalizer.stop(), 0)
  })

  it('stores the same rows when the normalizer is killed again and again in the middle', async () => {
    const own = deployment({ DUALTRACE_LOG_LEVEL: 'debug' })
    const shipping = ship(own, { messageBytes: 20_000, speed: 0.2 })
    for (let kills = 0; kills < 6; kills++) {
      const normalizer = own.start()
      await normalizer.said('reading', '"partition":3')
      // Every other time it has left a checkpoint behind, from which the next one must go on.
      if (kills % 2 === 1) await normalizer.said('kept a checkpoint', own.source)
      await sleep(100 * kills)
      assert.equal(
        normalizer.lines.some((line) => line.includes(ended)),
        false,
        'it was killed too late',
      )
      await normalizer.kill()
    }
    const last = own.start()
    await shipping
    await last.said(ended, own.source)
    await assertStored(own.source)
    await last.said('reading', '"runs":1')
  })

  it('stores the rows of sources that have one track alone, through a kill', async () => {
    const own = deployment({ DUALTRACE_LOG_LEVEL: 'debug' })
    const alone = tracks.map((track) => ({ ...own, source: `${own.source}-${track}`, track }))
    const first = own.start()
    // What comes all at once is over before a checkpoint is due.
    await first.said('reading', '"partition":3')
    const shipping = alone.map((one) =>
      ship(one, { capture: small, messageBytes: 20_000, speed: 0.5, only: one.track }),
    )
    for (const { source } of alone) await first.said('kept a checkpoint', source)
    await first.kill()
    const second = own.start()
    await Promise.all(shipping)
    for (const { source } of alone) await saidByOne([first, second], ended, source)
    // What had not come to its end was resumed from its checkpoint.
    const over = alone.filter(({ source }) => first.lines.some((line) => line.includes(ended) && line.includes(source)))
    const readings = await Promise.all([0, 1, 2, 3].map((n) => second.said('"reading"', `"partition":${n}`)))
    const runs = readings.map((line) => (JSON.parse(line) as { runs: number }).runs)
    assert.equal(
      runs.reduce((sum, count) => sum + count, 0),
      alone.length - over.length,
    )
    for (const { source, track } of alone)
      await assertStored(source, await analyzeOffline(only(await openCapture(small), track)))
  })

  it('shares the partitions among two normalizers and gives up one of them without losing a row', async () => {
    const own = deployment()
    const first = own.start()
    await first.said('reading', '"partition":3')
    const shipping = ship(own, { capture: small, messageBytes: 50_000, speed: 0.4, sources: 6 })
    const second = own.start()
    await second.said('assigned')
    await sleep(1500)
    await first.kill()
    await shipping
    for (let n = 1; n <= 6; n++) await saidByOne([first, second], ended, `${own.source}~${n}"`)
    for (let n = 1; n <= 6; n++) await assertStored(`${own.source}~${n}`, offline.get(small))
  })

  it('puts a message that does not parse among the dead letters, with its reason and place, and goes on', async () => {
    const own = deployment()
    const normalizer = own.start()
    await normalizer.said('reading', '"partition":3')
    const poison = { topic: own.topics.gotrace, partition: 2, key: 'poison', headers: { schema: '7' } }
    await withTransport(async (transport) => {
      const producer = await transport.producer()
      await producer.send([{ ...poison, value: Buffer.from('not a piece of a trace') }])
      await producer.close()
    })
    await ship(own, { capture: small, messageBytes: 100_000 })
    await normalizer.said(ended, own.source)
    await assertStored(own.source, offline.get(small))
    const [dead] = await firstMessages(own.topics.deadLetter)
    assert.equal(dead?.key, 'poison')
    assert.equal(Buffer.from(dead.value).toString(), 'not a piece of a trace')
    const {
      'dead-reason': reason,
      'dead-topic': topic,
      'dead-partition': partition,
      'dead-offset': offset,
    } = dead.headers
    assert.deepEqual(
      [reason, topic, partition, offset],
      ['header schema is "7": version 1', own.topics.gotrace, '2', '0'],
    )
  })

  it('stores nothing twice and nothing else when every message comes twice', async () => {
    const own = deployment()
    const normalizer = own.start()
    await ship(own, { capture: small, messageBytes: 100_000, copies: 2 })
    await normalizer.said(ended, own.source)
    await assertStored(own.source, offline.get(small))
    for (const track of ['gotrace', 'perf'])
      await normalizer.said('messages came twice', `"${track}_duplicates":`, own.source)
  })

  it('takes a track that falls silent as ended, and writes the rows of the other one', async () => {
    const own = deployment({ DUALTRACE_LATENESS: '2s' })
    const normalizer = own.start()
    await normalizer.said('reading', '"partition":3')
    await ship(own, { messageBytes: 20_000, speed: 0.5, perfMessages: 20 })
    await normalizer.said('silent for too long', '"track":"perf"', own.source)
    await normalizer.said(ended, own.source)
    const stored = await storedRows(stack.questdb.url, own.source)
    const pauses = (rows: typeof stored) => rows['gc_pauses']!.map(({ ts, duration_ns }) => [ts, duration_ns])
    assert.deepEqual(pauses(stored), pauses(computedRows(offline.get(full)!.rows, own.source)))
    assert.ok(stored['time_classes']!.some((row) => row['class'] === 'unknown'))
  })

  it('goes on, with nothing lost, when QuestDB is away in the middle', async () => {
    const own = deployment()
    const normalizer = own.start()
    await normalizer.said('reading', '"partition":3')
    const shipping = ship(own, { capture: small, messageBytes: 50_000, speed: 0.5 })
    await sleep(1000)
    await stack.stop('questdb')
    await normalizer.said('QuestDB at', 'does not answer')
    await stack.start('questdb')
    await shipping
    await normalizer.said(ended, own.source)
    await assertStored(own.source, offline.get(small))
  })

  it('waits for a Kafka that is not there yet, and says so', async () => {
    const own = deployment()
    await stack.stop('kafka')
    const normalizer = own.start()
    await normalizer.said('Kafka at', 'does not answer')
    await stack.start('kafka')
    await normalizer.said('reading', '"partition":3')
    await ship(own, { capture: small, messageBytes: 100_000 })
    await normalizer.said(ended, own.source)
    await assertStored(own.source, offline.get(small))
  })

  it('goes on when Kafka is restarted in the middle', async () => {
    const own = deployment()
    const normalizer = own.start()
    await normalizer.said('reading', '"partition":3')
    const shipping = ship(own, { capture: small, messageBytes: 50_000, speed: 0.5 })
    await sleep(1500)
    await stack.stop('kafka')
    await stack.start('kafka')
    await shipping
    await normalizer.said(ended, own.source)
    await assertStored(own.source, offline.get(small))
  })
})

/** The capture with one of its tracks, or as it is. */
function only(opened: OfflineSource, track: Track | undefined): OfflineSource {
  const input = track && opened.inputs[track]
  return input === undefined ? opened : { ...opened, inputs: { [track!]: input } }
}

async function saidByOne(normalizers: readonly NormalizerProcess[], ...texts: string[]): Promise<void> {
  await Promise.any(normalizers.map((normalizer) => normalizer.said(...texts)))
}
