import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { verifyCapture } from '../../src/archive/verify.js'
import { analyzeCapture, type OfflineResult, openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import { reprocess } from '../../src/pipeline/reprocess/job.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { freePort } from '../../src/stack/ports.js'
import { KafkaTransport } from '../../src/transport/kafka.js'
import { topicNames, topicSpecs } from '../../src/transport/topics.js'
import { archivedContentOf, archivedWhole, contentOf } from '../support/archive.js'
import { requireJava } from '../support/requirements.js'
import { metricsOn, statusPage } from '../support/statusPage.js'
import { sharedStack } from '../support/stack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const main = join(import.meta.dirname, '../../src/cli/main.js')

describe('the archive, through the real Kafka and QuestDB', function () {
  let stack: LocalStack
  let offline: OfflineResult
  let deployments = 0
  const running = new Set<ChildProcess>()
  const directories: string[] = []

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
    offline = await analyzeCapture(capture)
  })

  afterEach(async () => {
    for (const child of running) await ended(child, 'SIGKILL')
    running.clear()
  })

  after(() => {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  })

  function deployment() {
    const name = `archive${++deployments}`
    const archive = mkdtempSync(join(tmpdir(), 'dualtrace-archive-'))
    directories.push(archive)
    const env = {
      ...process.env,
      DUALTRACE_KAFKA: stack.kafka.brokers.join(','),
      DUALTRACE_TOPIC_PREFIX: `${name}.`,
      DUALTRACE_ARCHIVE_GROUP: name,
      DUALTRACE_SESSION_TIMEOUT: '2s',
      DUALTRACE_ARCHIVE: archive,
      DUALTRACE_ARCHIVE_FLUSH_EVERY: '300ms',
      DUALTRACE_ARCHIVE_MAX_AGE: '36500d',
    }
    return {
      archive,
      source: `test/${name}/1/2026`,
      topics: topicNames(`${name}.`),
      start(statusPort = 0) {
        const pipeline = join(packageRoot(), 'pipelines/archive.yaml')
        const own = { ...env, DUALTRACE_STATUS_PORT: String(statusPort) }
        const child = spawn(process.execPath, [main, 'run', pipeline], { env: own, stdio: 'ignore' })
        running.add(child)
        return child
      },
    }
  }

  async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = new Promise((resolve) => child.once('exit', resolve))
      child.kill(signal)
      await exit
    }
    return child.exitCode
  }

  async function ship({ source, topics }: ReturnType<typeof deployment>, messageBytes: number, speed?: number) {
    const { brokers } = stack.kafka
    const transport = new KafkaTransport({ brokers, clientId: 'test', onWarning: () => undefined })
    await transport.ensureTopics(topicSpecs(topics, 4, 3_600_000))
    const producer = await transport.producer()
    const opened = await openCapture(capture)
    await replay({ ...opened, names: { ...opened.names, source } }, producer, {
      topics,
      sources: 1,
      speed,
      messageBytes,
    })
    await producer.close()
    await transport.close()
  }

  it('holds the bytes that were shipped, once, in a capture that can be diagnosed as it is', async () => {
    const own = deployment()
    const statusPort = await freePort()
    const archiver = own.start(statusPort)
    await ship(own, 50_000)
    const [only, ...others] = await archivedWhole(own.archive)
    assert.deepEqual(others, [])
    assert.deepEqual(await statusPage(statusPort, '/readyz'), { status: 200, text: 'ready\n' })
    const metrics = await metricsOn(statusPort)
    const content = contentOf(capture)
    assert.equal(metrics.get('dualtrace_archiver_bytes_total'), content.gotrace.length + content.perf.length)
    assert.equal(metrics.get('dualtrace_archiver_gaps_total'), 0)
    assert.equal(metrics.get('dualtrace_archiver_partitions'), 4)
    assert.equal(await ended(archiver, 'SIGTERM'), 0)
    assert.equal(only!.manifest.source, own.source)
    assert.equal(only!.manifest.archive.hour, '2026-11-23T16')
    assert.deepEqual(archivedContentOf(only!), content)
    const file = readFileSync(join(only!.directory, 'perf.script.gz'))
    assert.equal(only!.manifest.archive.perf!.sha256, createHash('sha256').update(file).digest('hex'))
    assert.deepEqual(await verifyCapture(only!), [])
    const again = await analyzeCapture(only!.directory)
    assert.deepEqual(computedRows(again.rows, own.source), computedRows(offline.rows, own.source))
  })

  it('holds every byte once however often the archiver is killed, and reprocessing gives the rows of the offline analysis', async () => {
    const own = deployment()
    const shipping = ship(own, 20_000, 0.6)
    for (let kills = 0; kills < 5; kills++) {
      const archiver = own.start()
      await sleep(1200 + 150 * kills)
      await ended(archiver, 'SIGKILL')
    }
    const last = own.start()
    await shipping
    const captures = await archivedWhole(own.archive)
    assert.equal(await ended(last, 'SIGTERM'), 0)
    assert.equal(captures.length, 1)
    assert.deepEqual(archivedContentOf(captures[0]!), contentOf(capture))
    assert.deepEqual(await verifyCapture(captures[0]!), [])

    const range = { sinceNs: undefined, untilNs: undefined }
    const questdb = { url: stack.questdb.url }
    const options = { archives: [own.archive], range, questdb, thresholds: undefined, onNote: () => undefined }
    const first = await reprocess(options)
    assert.deepEqual(first.problems, [])
    assert.equal(first.runs, 1)
    // Under the run that the normalizer names.
    const { run } = await openCapture(capture)
    const ofRun = offline.rows.map(({ table, row }) => ({ table, row, run: run! }))
    const expected = computedRows(ofRun, own.source)
    const stored = () => storedRows(stack.questdb.url, own.source, { runs: true })
    assert.deepEqual(await stored(), expected)
    const second = await reprocess(options)
    assert.equal(second.rows, first.rows)
    assert.deepEqual(await stored(), expected)
  })
})
