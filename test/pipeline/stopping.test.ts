import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { verifyCapture } from '../../src/archive/verify.js'
import { analyzeCapture, type OfflineResult } from '../../src/pipeline/offline.js'
import type { LocalStack, ServerName } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { archivedContentOf, archivedWhole, contentOf } from '../support/archive.js'
import { tracks } from '../../src/transport/topics.js'
import { Deployment } from '../support/deployment.js'
import type { PipelineProcess } from '../support/pipelineProcess.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const ended = 'the source has ended'
const stuck = 'there is something to do and nothing is done'
/** What is promised. */
const stopWithinMs = 10_000

describe('a pipeline on the real Kafka and QuestDB', function () {
  let stack: LocalStack
  let offline: OfflineResult
  let deployment: Deployment
  let archive: string

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
    offline = await analyzeCapture(capture)
  })

  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-archive-'))))

  afterEach(async function () {
    await deployment.endTest(this.currentTest)
    rmSync(archive, { recursive: true })
  })

  async function frozen<T>(server: ServerName, during: () => Promise<T>): Promise<T> {
    const pid = (await stack.pid(server))!
    process.kill(pid, 'SIGSTOP')
    try {
      return await during()
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }

  /** Asks it to end, while a server is frozen if one is named, and sees that it does so in time. */
  async function assertEnds(process: PipelineProcess, server: ServerName | undefined) {
    const stop = async () => {
      if (server !== undefined) await sleep(1500)
      const start = Date.now()
      assert.equal(await process.stop(), 0)
      assert.ok(Date.now() - start < stopWithinMs, `${Date.now() - start} ms`)
    }
    await (server === undefined ? stop() : frozen(server, stop))
    if (server === undefined) await process.said('stopped; everything is written and committed')
  }

  const whileFrozen = (server: ServerName | undefined) => (server === undefined ? '' : ` while ${server} is frozen`)

  async function assertStored() {
    const stored = await storedRows(stack.questdb.url, deployment.source)
    assert.deepEqual(stored, computedRows(offline.rows, deployment.source))
  }

  /** Messages of both tracks that the archiver has not read, once it knows. */
  async function lag(): Promise<number> {
    for (;;) {
      const metrics = await deployment.metrics()
      const known = tracks.flatMap((track) => metrics.get(`dualtrace_archiver_lag_messages{track="${track}"}`) ?? [])
      if (known.length === tracks.length) return known.reduce((sum, each) => sum + each, 0)
      await sleep(100)
    }
  }

  /** Until the archiver has read some, so that there is something to commit. */
  async function messagesRead(): Promise<void> {
    while (!((await deployment.metrics()).get('dualtrace_archiver_messages_total')! > 0)) await sleep(100)
  }

  /** Takes away all that Kafka has of a topic, as its retention does. */
  async function deleteAll(topic: string) {
    const kafka = new kafkajs.Kafka({ brokers: [...stack.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    const ends = await admin.fetchTopicOffsets(topic)
    const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }))
    await admin.deleteTopicRecords({ topic, partitions })
    await admin.disconnect()
  }

  async function assertArchived() {
    const captures = await archivedWhole(archive)
    assert.deepEqual(captures.map(archivedContentOf), [contentOf(capture)])
    assert.deepEqual(await verifyCapture(captures[0]!), [])
  }

  for (const server of [undefined, 'questdb', 'kafka'] as const)
    it(`ends within 10 s of SIGTERM${whileFrozen(server)}, and the next one goes on from there (normalizer)`, async () => {
      deployment = new Deployment(stack, `stop-${server ?? 'plain'}`)
      const first = await deployment.start()
      await first.said('reading', '"partition":3')
      const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
      await sleep(1500)
      await assertEnds(first, server)
      const second = await deployment.start()
      await shipping
      await second.said(ended, deployment.source)
      await assertStored()
    })

  for (const server of [undefined, 'kafka'] as const)
    it(`ends within 10 s of SIGTERM${whileFrozen(server)}, and the next one goes on from there (archiver)`, async () => {
      deployment = new Deployment(stack, `stop-archiver-${server ?? 'plain'}`)
      const first = await deployment.startArchiver(archive)
      await first.said('assigned')
      const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
      await messagesRead()
      await assertEnds(first, server)
      await deployment.startArchiver(archive)
      await shipping
      await assertArchived()
    })

  for (const server of ['questdb', 'kafka'] as const)
    it(`notices that nothing goes on while ${server} is frozen, says so, and goes on afterwards (normalizer)`, async () => {
      deployment = new Deployment(stack, `stuck-${server}`, { DUALTRACE_STUCK_AFTER: '2s' })
      const normalizer = await deployment.start()
      await normalizer.said('reading', '"partition":3')
      const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
      await sleep(1500)
      await frozen(server, () => normalizer.said(stuck, `"cause":"${server}"`))
      await shipping
      await normalizer.said(ended, deployment.source)
      assert.ok((await deployment.metrics()).get(`dualtrace_stuck_total{cause="${server}"}`)! > 0)
      if (server === 'kafka') await normalizer.said('the Kafka consumer starts again')
      await assertStored()
    })

  it('notices that nothing goes on while kafka is frozen, says so, and goes on afterwards (archiver)', async () => {
    deployment = new Deployment(stack, 'stuck-archiver', { DUALTRACE_STUCK_AFTER: '2s' })
    const archiver = await deployment.startArchiver(archive)
    await archiver.said('assigned')
    const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
    await messagesRead()
    await frozen('kafka', async () => {
      await archiver.said(stuck, '"cause":"kafka"')
      const { status, text } = await deployment.status('/readyz')
      assert.deepEqual([status, text.includes(stuck)], [503, true])
    })
    await archiver.said('the Kafka consumer starts again')
    await shipping
    await assertArchived()
    assert.ok((await deployment.metrics()).get('dualtrace_archiver_stuck_total{cause="kafka"}')! > 0)
    while ((await lag()) > 0) await sleep(100)
    assert.deepEqual(await deployment.status('/readyz'), { status: 200, text: 'ready\n' })
  })

  it('does not wait for messages that Kafka has deleted before they were read (archiver)', async () => {
    deployment = new Deployment(stack, 'deleted', { DUALTRACE_STUCK_AFTER: '3s' })
    const first = await deployment.startArchiver(archive)
    await deployment.ship(capture, { messageBytes: 100_000 })
    await assertArchived()
    await assertEnds(first, undefined)
    await deployment.ship(capture, { messageBytes: 100_000 })
    for (const track of tracks) await deleteAll(deployment.topics[track])
    const second = await deployment.startArchiver(archive)
    await second.said('assigned')
    assert.equal(await lag(), 0)
    await sleep(6000)
    assert.equal((await deployment.metrics()).get('dualtrace_archiver_stuck_total{cause="consumer"}'), 0)
  })
})
