import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandLine, processIds, readStat } from '../../src/capture/proc.js'
import { GoTraceReader } from '../../src/gotrace/index.js'
import type { LocalStack } from '../../src/stack/local.js'
import { freePort } from '../../src/stack/ports.js'
import { CollectorProcess } from '../support/collector.js'
import { assertJoinedOn } from '../support/joinedOn.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { perfTurns } from '../support/perfTurns.js'
import { readRawTopics, trackOf } from '../support/rawTopics.js'
import { requireGo, requireJava, requirePerf } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { metricsOn, statusPage } from '../support/statusPage.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../support/workloads.js'

/** Several times as long as collectors wait between two signs of life. */
const latenessMs = 5000

/** The service is found by a name that no other test's process has: files of tests run side by side. */
const command = 'collected'
const waiting = `waiting for a process named ${command}`

describe('a collector that is left running', function () {
  let stack: LocalStack
  let folder = ''
  let built = ''
  let collector: CollectorProcess | undefined
  let workload: RunningWorkload | undefined

  before(async function () {
    requireJava(this)
    requireGo(this)
    requirePerf(this)
    stack = await sharedStack()
    built = buildWorkload('streaming')
  })
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-collect-'))
    symlinkSync(built, join(folder, command))
  })
  afterEach(async function () {
    await workload?.stop()
    await collector?.kill()
    if (this.currentTest?.isFailed() === true) process.stderr.write(`${collector?.lines.slice(-30).join('\n') ?? ''}\n`)
    rmSync(folder, { recursive: true, force: true })
  })

  const socket = () => join(folder, 'trace.sock')

  function start(prefix: string, env: Record<string, string> = {}): CollectorProcess {
    collector = new CollectorProcess({
      DUALTRACE_KAFKA: stack.kafka.brokers.join(','),
      DUALTRACE_TOPIC_PREFIX: prefix,
      DUALTRACE_COMMAND: command,
      DUALTRACE_TRACE_SOCKET: socket(),
      DUALTRACE_SPOOL: join(folder, 'spool'),
      DUALTRACE_HOST: 'test',
      DUALTRACE_REPORT_EVERY: '1s',
      ...env,
    })
    return collector
  }

  function startNormalizer(name: string): NormalizerProcess {
    return new NormalizerProcess({
      DUALTRACE_KAFKA: stack.kafka.brokers.join(','),
      DUALTRACE_QUESTDB: stack.questdb.url,
      DUALTRACE_TOPIC_PREFIX: `${name}.`,
      DUALTRACE_GROUP: name,
      DUALTRACE_LATENESS: `${latenessMs}ms`,
    })
  }

  async function startService(...more: string[]): Promise<RunningWorkload> {
    workload = await startWorkload(join(folder, command), ['-duration', '5m', '-socket', socket(), ...more])
    return workload
  }

  it('loses nothing of a service while Kafka is away and perf is renewed, and finds the service again when it restarts', async () => {
    const port = await freePort()
    const own = start('collect1.', {
      DUALTRACE_MEMORY: '50kB',
      DUALTRACE_ROTATE_EVERY: '1s',
      DUALTRACE_STATUS_PORT: String(port),
    })
    await own.said(waiting)
    const { status, text } = await statusPage(port, '/readyz')
    assert.equal(status, 503)
    assert.match(text, /^there is no process: a process named collected$/m)
    const first = await startService()
    await own.said('"msg":"collecting"', `/${first.pid}/`)
    await own.state(({ outbox }) => outbox.sentBytes > 0)
    await stack.stop('kafka')
    await own.state(({ outbox }) => outbox.diskWaitingBytes > 100_000)
    await stack.start('kafka')
    await own.state(({ inputs: [input] }) => input!.perf.rotations > 0 && input!.gotrace.generations > 2)
    await first.stop()
    await own.said('collected to the end', `/${first.pid}/`)
    const second = await startService()
    await own.said('"msg":"collecting"', `/${second.pid}/`)
    const { gotrace, perf } = (await own.state()).inputs[0]!
    await own.state(
      ({ inputs: [input] }) =>
        input!.gotrace.generations > gotrace.generations + 1 && input!.perf.bytes > perf.bytes + 500_000,
    )
    await second.stop()
    await own.said('collected to the end', `/${second.pid}/`)
    // What is not sent within some seconds of being told to end goes to the spool: right, but not what is asked here.
    const { outbox, inputs } = await own.state(
      ({ outbox: { memoryWaitingBytes, diskWaitingBytes } }) => memoryWaitingBytes + diskWaitingBytes === 0,
    )
    assert.ok(outbox.spooledBytes > 100_000)
    assert.equal(outbox.shedMessages, 0)
    assert.equal(inputs[0]?.instances, 2)
    const metrics = await metricsOn(port)
    const label = `{input="a process named ${command}"}`
    assert.equal(metrics.get('dualtrace_collector_sent_bytes_total'), outbox.sentBytes)
    assert.equal(metrics.get(`dualtrace_collector_instances_total${label}`), 2)
    assert.equal(metrics.get(`dualtrace_collector_collecting${label}`), 0)
    assert.equal(metrics.get(`dualtrace_collector_perf_rotations_total${label}`), inputs[0].perf.rotations)
    assert.ok(metrics.get('dualtrace_collector_kafka_compression_ratio')! > 1)
    assert.equal(await own.stop(), 0)
    const counted = [await first.induced, await second.induced]
    assert.deepEqual(readdirSync(join(folder, 'spool')), [])

    const messages = await readRawTopics(stack.kafka.brokers, 'collect1.')
    const sources = [...new Set(messages.map(({ envelope }) => envelope.source))]
    assert.deepEqual(
      sources.map((source) => source.split('/').slice(0, 3).join('/')).sort(),
      [first, second].map(({ pid }) => `test/${command}/${pid}`).sort(),
    )
    for (const [at, { pid }] of [first, second].entries()) {
      const source = sources.find((name) => name.includes(`/${pid}/`))!
      const gotrace = trackOf(messages, source, 'gotrace')
      assert.deepEqual([gotrace.gaps, gotrace.inOrder, gotrace.ended], [[], true, true])
      const { generations, problems } = readGoTrace(gotrace.bytes)
      assert.deepEqual(problems, [])
      assert.equal(counted[at]!['dropped'], 0)
      assert.equal(generations.length, counted[at]!['generations'])
      assert.deepEqual(
        generations,
        generations.map((_, nth) => generations[0]! + nth),
      )
      const perf = trackOf(messages, source, 'perf')
      assert.deepEqual([perf.gaps, perf.inOrder, perf.ended], [[], true, true])
      const seen = perfTurns(perf.bytes)
      assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
      assert.ok(seen.switches > 100)
    }
  })

  it('is waited for while the service has nothing to do, or is stopped, for longer than a track may be silent', async () => {
    const normalizer = startNormalizer('collect3')
    try {
      const own = start('collect3.')
      await own.said(waiting)
      const service = await startService('-idle')
      await own.state(({ inputs: [input] }) => input!.gotrace.generations > 1 && input!.perf.bytes > 0)
      // Nothing of perf for that long, while the trace goes on; then nothing of either.
      for (const stopped of [await perfScriptsOf(own.pid!), [service.pid]]) {
        for (const pid of stopped) process.kill(pid, 'SIGSTOP')
        await sleep(1.5 * latenessMs)
        for (const pid of stopped) process.kill(pid, 'SIGCONT')
      }
      const continuedNs = BigInt(Date.now()) * 1_000_000n
      const { generations } = (await own.state()).inputs[0]!.gotrace
      await own.state(({ inputs: [input] }) => input!.gotrace.generations > generations + 2)
      await service.stop()
      const { source } = JSON.parse(await normalizer.said('the source has ended')) as { source: string }
      await assertJoinedOn(normalizer, stack.questdb.url, source, continuedNs)
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await normalizer.kill()
    }
  })

  it('keeps the oldest when the spool is full, marks the rest as lost, and survives being killed', async () => {
    const small = { DUALTRACE_MEMORY: '200kB', DUALTRACE_SPOOL_SIZE: '300kB' }
    const own = start('collect2.', small)
    await own.said(waiting)
    const service = await startService()
    await own.said('"msg":"collecting"')
    await own.state(({ outbox }) => outbox.sentBytes > 0)
    await stack.stop('kafka')
    const before = await own.state(({ outbox }) => outbox.shedMessages > 0)
    assert.ok(before.outbox.diskWaitingBytes <= 300e3)
    await stack.start('kafka')
    await own.said('there is room again')
    const linesSoFar = own.lines.length
    await stack.stop('kafka')
    await own.saidFrom(linesSoFar, 'no room for more')
    await own.kill()
    const next = start('collect2.', small)
    await next.said('the spool holds what an earlier collector left')
    // The spool is full: the first generations of the new stream find no room, and with them the header of the trace.
    await next.state(({ inputs }) => inputs[0]!.gotrace.shedGenerations > 0)
    await stack.start('kafka')
    await next.said('there is room again')
    await next.state(({ inputs: [input], outbox }) => {
      const { generations, shedGenerations } = input!.gotrace
      return generations > shedGenerations + 1 && outbox.memoryWaitingBytes + outbox.diskWaitingBytes < 50e3
    })
    assert.equal(await next.stop(), 0)
    assert.ok(!existsSync(join(folder, 'spool/lock')))
    await service.stop()

    const messages = await readRawTopics(stack.kafka.brokers, 'collect2.')
    const streams = [...new Set(messages.map(({ envelope }) => envelope.stream))].sort()
    assert.equal(streams.length, 2)
    for (const stream of streams) {
      const { source } = messages[0]!.envelope
      const perf = trackOf(messages, source, 'perf', stream)
      assert.ok(perf.inOrder)
      const seen = perfTurns(perf.bytes)
      assert.deepEqual(seen.problems, [])
      if (stream === streams[0]) {
        assert.ok(perf.gaps.length > 0 && seen.lost > 0, `${perf.gaps.length} gaps, ${seen.lost} lost`)
        // What was left out is marked; only what lay in memory when the collector was killed is not.
        assert.ok(perf.gaps.filter(({ isMarked }) => !isMarked).length <= 1, JSON.stringify(perf.gaps))
        // A loss stands exactly where a gap is: no switch follows one of its own kind without a loss between them.
        assert.deepEqual(seen.outOfTurn, [])
      }
      const { generations, problems } = readGoTrace(trackOf(messages, source, 'gotrace', stream).bytes)
      assert.ok(generations.length > 0)
      assert.deepEqual([...new Set(problems.filter((name) => name !== 'missing_generation'))], [])
    }
  })
})

async function perfScriptsOf(collector: number): Promise<number[]> {
  const found: number[] = []
  for (const pid of await processIds()) {
    const parent = readStat(pid)?.parent
    if (parent === collector && (await commandLine(pid))[1] === 'script') found.push(pid)
  }
  return found
}

function readGoTrace(bytes: Uint8Array): { generations: number[]; problems: string[] } {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const generations = new Set<number>()
  while (reader.next()) generations.add(reader.event.gen)
  return { generations: [...generations], problems: reader.problems.map(({ name }) => name) }
}
