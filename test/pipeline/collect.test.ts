import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandLine, processIds, readStat } from '../../src/capture/proc.js'
import { Analysis } from '../../src/analysis/analysis.js'
import { generationSpan, GenerationSplitter, GoTraceReader } from '../../src/gotrace/index.js'
import { PerfKind, PerfScriptReader } from '../../src/perf/index.js'
import type { CollectorStatus } from '../../src/pipeline/collect/status.js'
import type { LocalStack } from '../../src/stack/local.js'
import type { Envelope } from '../../src/transport/envelope.js'
import { tracks } from '../../src/transport/topics.js'
import { CollectorProcess } from '../support/collector.js'
import { Gate } from '../support/gate.js'
import { NormalizerProcess } from '../support/normalizer.js'
import { readRawTopics, trackOf } from '../support/rawTopics.js'
import { requireGo, requireJava, requirePerf } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { freePort, metricsOn, statusPage } from '../support/statusPage.js'
import { computedRows, storedRows, withoutLag } from '../support/storedRows.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../support/workloads.js'

/** Several times as long as collectors wait between two signs of life. */
const latenessMs = 5000

describe('a collector that is left running', function () {
  let stack: LocalStack
  let folder = ''
  let executable = ''
  let collector: CollectorProcess | undefined
  let workload: RunningWorkload | undefined

  before(async function () {
    requireJava(this)
    requireGo(this)
    requirePerf(this)
    stack = await sharedStack()
    executable = buildWorkload('streaming')
  })
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-collect-'))))
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
      DUALTRACE_COMMAND: 'streaming',
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
    workload = await startWorkload(executable, ['-duration', '110s', '-socket', socket(), ...more])
    return workload
  }

  /** The first state logged from now on that is as wanted. */
  async function statusOf(from: CollectorProcess, isWanted: (state: CollectorStatus) => boolean) {
    for (let at = from.lines.length; ; at++) {
      const line = await from.saidFrom(at, '"msg":"status"')
      at = from.lines.indexOf(line, at)
      const state = JSON.parse(line) as CollectorStatus
      if (isWanted(state)) return state
    }
  }

  it('loses nothing of a service while Kafka is away and perf is renewed, and finds the service again when it restarts', async () => {
    const port = await freePort()
    const own = start('collect1.', {
      DUALTRACE_MEMORY: '50kB',
      DUALTRACE_ROTATE_EVERY: '1s',
      DUALTRACE_STATUS_PORT: String(port),
    })
    await own.said('waiting for a process named streaming')
    const { status, text } = await statusPage(port, '/readyz')
    assert.equal(status, 503)
    assert.match(text, /^there is no process: a process named streaming$/m)
    const first = await startService()
    await own.said('"msg":"collecting"', `/${first.pid}/`)
    await statusOf(own, ({ outbox }) => outbox.sentBytes > 0)
    await stack.stop('kafka')
    await statusOf(own, ({ outbox }) => outbox.diskWaitingBytes > 100_000)
    await stack.start('kafka')
    await statusOf(own, ({ inputs: [input] }) => input!.perf.rotations > 0 && input!.gotrace.generations > 2)
    await first.stop()
    await own.said('collected to the end', `/${first.pid}/`)
    const second = await startService()
    await own.said('"msg":"collecting"', `/${second.pid}/`)
    const { gotrace, perf } = (await statusOf(own, () => true)).inputs[0]!
    await statusOf(
      own,
      ({ inputs: [input] }) =>
        input!.gotrace.generations > gotrace.generations + 1 && input!.perf.bytes > perf.bytes + 500_000,
    )
    await second.stop()
    await own.said('collected to the end', `/${second.pid}/`)
    // What is not sent within some seconds of being told to end goes to the spool: right, but not what is asked here.
    const { outbox, inputs } = await statusOf(
      own,
      ({ outbox: { memoryWaitingBytes, diskWaitingBytes } }) => memoryWaitingBytes + diskWaitingBytes === 0,
    )
    assert.ok(outbox.spooledBytes > 100_000)
    assert.equal(outbox.shedMessages, 0)
    assert.equal(inputs[0]?.instances, 2)
    const metrics = await metricsOn(port)
    const label = '{input="a process named streaming"}'
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
      [first, second].map(({ pid }) => `test/streaming/${pid}`).sort(),
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
      const seen = readPerf(perf.bytes)
      assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
      assert.ok(seen.switches > 100)
    }
  })

  it('is waited for while the service has nothing to do, or is stopped, for longer than a track may be silent', async () => {
    const normalizer = startNormalizer('collect3')
    try {
      const own = start('collect3.')
      await own.said('waiting for a process named streaming')
      const service = await startService('-idle')
      await statusOf(own, ({ inputs: [input] }) => input!.gotrace.generations > 1 && input!.perf.bytes > 0)
      // Nothing of perf for that long, while the trace goes on; then nothing of either.
      for (const stopped of [await perfScriptsOf(own.pid!), [service.pid]]) {
        for (const pid of stopped) process.kill(pid, 'SIGSTOP')
        await sleep(1.5 * latenessMs)
        for (const pid of stopped) process.kill(pid, 'SIGCONT')
      }
      const continuedNs = BigInt(Date.now()) * 1_000_000n
      const { generations } = (await statusOf(own, () => true)).inputs[0]!.gotrace
      await statusOf(own, ({ inputs: [input] }) => input!.gotrace.generations > generations + 2)
      await service.stop()
      const { source } = JSON.parse(await normalizer.said('the source has ended')) as { source: string }
      assert.deepEqual(
        normalizer.lines.filter((line) => line.includes('silent')),
        [],
      )
      const { time_classes: classes } = await storedRows(stack.questdb.url, source)
      const joined = classes!.filter(({ ts, class: name }) => BigInt(ts) > continuedNs && name === 'on_cpu')
      assert.ok(joined.length > 0, 'the join did not go on')
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await normalizer.kill()
    }
  })

  it('reads the pprof endpoint again when it has not answered for longer than a track may be silent, and loses nothing of perf', async () => {
    const normalizer = startNormalizer('collect4')
    workload = await startWorkload(buildWorkload('rpc'), ['-duration', '110s'])
    const { port, pathname } = new URL(workload.pprof)
    const gate = await Gate.open(Number(port))
    try {
      const own = start('collect4.', {
        DUALTRACE_COMMAND: '',
        DUALTRACE_PID: String(workload.pid),
        DUALTRACE_TRACE_SOCKET: '',
        DUALTRACE_TRACE_URL: `http://127.0.0.1:${gate.port}${pathname}`,
        DUALTRACE_TRACE_WINDOW: '1s',
        DUALTRACE_AWAY_AFTER: '2s',
      })
      await statusOf(own, ({ inputs: [input] }) => input!.gotrace.generations > 1 && input!.perf.bytes > 0)
      await gate.shut()
      await own.said('nothing comes of the Go trace')
      await sleep(latenessMs)
      await gate.unshut()
      await own.said('the Go trace is back')
      const backNs = BigInt(Date.now()) * 1_000_000n
      const { generations } = (await statusOf(own, () => true)).inputs[0]!.gotrace
      await statusOf(own, ({ inputs: [input] }) => input!.gotrace.generations > generations + 2)
      await workload.stop()
      assert.equal(await own.exited, 0)

      const messages = await readRawTopics(stack.kafka.brokers, 'collect4.')
      const { source } = messages[0]!.envelope
      const [before, after, ...others] = [...new Set(messages.map(({ envelope }) => envelope.stream))].sort()
      assert.deepEqual(others, [])
      const texts = [before, after].map((stream) => trackOf(messages, source, 'perf', stream))
      assert.deepEqual(
        texts.map(({ gaps, ended }) => [gaps, ended]),
        Array(2).fill([[], true]),
      )
      const seen = readPerf(Buffer.concat(texts.map(({ bytes }) => bytes)))
      assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
      // The second run is read from its own text alone.
      const second = readPerf(texts[1]!.bytes)
      assert.ok(second.switches > 100 && second.problems.length === 0)

      await normalizer.said('the source has ended', after!)
      assert.deepEqual(
        normalizer.lines.filter((line) => line.includes('silent')),
        [],
      )
      const { time_classes: classes } = await storedRows(stack.questdb.url, source)
      const joined = classes!.filter(({ ts, class: name }) => BigInt(ts) > backNs && name === 'on_cpu')
      assert.ok(joined.length > 0, 'the join did not go on')
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await gate.shut()
      await normalizer.kill()
    }
  })

  it('ships each dump of a flight recorder with perf’s text of its time, and what two dumps share once', async () => {
    const normalizer = startNormalizer('collect5')
    const dumps = join(folder, 'dumps')
    mkdirSync(dumps)
    workload = await startWorkload(buildWorkload('dumps'), ['-duration', '110s', '-directory', dumps])
    const { pid } = workload
    try {
      const own = start('collect5.', {
        DUALTRACE_COMMAND: '',
        DUALTRACE_PID: String(pid),
        DUALTRACE_TRACE_SOCKET: '',
        DUALTRACE_TRACE_DUMPS: dumps,
        DUALTRACE_DUMP_WINDOW: '3s',
      })
      const dump = async (number: number) => {
        process.kill(pid, 'SIGUSR1')
        return statusOf(own, ({ inputs: [input] }) => input!.gotrace.traces === number)
      }
      await statusOf(own, ({ inputs: [input] }) => input!.perf.keptBytes > 0)
      // Longer than the recorder reaches back.
      await sleep(4000)
      await dump(1)
      // It holds a part of the first one.
      const { inputs } = await dump(2)
      assert.deepEqual([inputs[0]!.gotrace.uncovered, inputs[0]!.gotrace.failures], [0, 0])
      await workload.stop()
      assert.equal(await own.exited, 0)
      const messages = await readRawTopics(stack.kafka.brokers, 'collect5.')
      const { envelope } = messages[0]!
      const { source } = envelope
      assert.deepEqual([...new Set(messages.map(({ envelope: { stream } }) => stream))], [envelope.stream])
      const [gotrace, perf] = tracks.map((track) => trackOf(messages, source, track))
      assert.deepEqual([gotrace!.gaps, gotrace!.ended, perf!.gaps, perf!.ended], [[], true, [], true])
      const { bytes, fromNs, toNs } = unionOf(readdirSync(dumps).map((name) => readFileSync(join(dumps, name))))
      assert.deepEqual(gotrace!.bytes, bytes)
      const seen = readPerf(perf!.bytes)
      assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
      assert.ok(seen.firstNs <= fromNs && seen.lastNs < toNs, JSON.stringify({ ...seen, fromNs, toNs }))
      await normalizer.said('the source has ended')
      const rows = rowsOf(envelope, gotrace!.bytes, perf!.bytes)
      assert.deepEqual(withoutLag(await storedRows(stack.questdb.url, source)), withoutLag(computedRows(rows, source)))
      const { time_classes: classes } = computedRows(rows, source)
      assert.ok(classes!.some(({ class: name }) => name === 'on_cpu'))
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await normalizer.kill()
    }
  })

  it('keeps the oldest when the spool is full, marks the rest as lost, and survives being killed', async () => {
    const small = { DUALTRACE_MEMORY: '2MB', DUALTRACE_SPOOL_SIZE: '300kB' }
    const own = start('collect2.', small)
    await own.said('waiting for a process named streaming')
    const service = await startService()
    await own.said('"msg":"collecting"')
    await statusOf(own, ({ outbox }) => outbox.sentBytes > 0)
    await stack.stop('kafka')
    const before = await statusOf(own, ({ outbox }) => outbox.shedMessages > 0)
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
    await statusOf(next, ({ inputs }) => inputs[0]!.gotrace.shedGenerations > 0)
    await stack.start('kafka')
    await next.said('there is room again')
    await statusOf(next, ({ inputs: [input], outbox }) => {
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
      const seen = readPerf(perf.bytes)
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
    const parent = (await readStat(pid))?.parent
    if (parent === collector && (await commandLine(pid))[1] === 'script') found.push(pid)
  }
  return found
}

/** What is in any of the dumps of one recorder, once, and its time on CLOCK_MONOTONIC, ns. */
function unionOf(dumps: readonly Buffer[]) {
  const splitter = new GenerationSplitter()
  for (const dump of dumps) splitter.push(dump)
  splitter.end()
  const found = new Map<number, Uint8Array>()
  for (let next = splitter.next(); next !== undefined; next = splitter.next())
    if (!found.has(next.gen)) found.set(next.gen, next.bytes)
  const spans = [...found.values()].map((bytes) => generationSpan(bytes)!)
  return { bytes: Buffer.concat([...found.values()]), fromNs: spans[0]!.startNs, toNs: spans.at(-1)!.endNs }
}

function rowsOf({ source, service, host, perfClock, ...clock }: Envelope, gotrace: Uint8Array, perf: Uint8Array) {
  const pair = { monotonicNs: clock.clockMonotonicNs!, wallNs: clock.clockWallNs! }
  const names = { source, service, host, perfClock, clock: pair, tracks: { gotrace: true, perf: true } }
  const analysis = new Analysis(names)
  analysis.feed('gotrace', gotrace)
  analysis.feed('perf', perf)
  for (const track of tracks) analysis.end(track)
  analysis.pump()
  return analysis.takeRows()
}

function readGoTrace(bytes: Uint8Array): { generations: number[]; problems: string[] } {
  const reader = new GoTraceReader()
  reader.push(bytes)
  reader.end()
  const generations = new Set<number>()
  while (reader.next()) generations.add(reader.event.gen)
  return { generations: [...generations], problems: reader.problems.map(({ name }) => name) }
}

function readPerf(bytes: Uint8Array) {
  const reader = new PerfScriptReader()
  const seen = { switches: 0, lost: 0, firstNs: 0, lastNs: 0, outOfTurn: [] as string[], problems: [] as string[] }
  const onCpu = new Map<number, boolean>()
  reader.push(bytes)
  reader.end()
  while (reader.next()) {
    const { record } = reader
    if (record.hasTime) {
      seen.lastNs = Number(reader.baseNs) + record.timeNs
      seen.firstNs ||= seen.lastNs
    }
    if (record.kind === PerfKind.Lost) {
      seen.lost += record.lost
      onCpu.clear()
    }
    if (record.kind !== PerfKind.SwitchIn && record.kind !== PerfKind.SwitchOut) continue
    seen.switches++
    const isIn = record.kind === PerfKind.SwitchIn
    if (onCpu.get(record.tid) === isIn) seen.outOfTurn.push(`${record.tid} ${record.timeNs}`)
    onCpu.set(record.tid, isIn)
  }
  seen.problems.push(...reader.problemCounts.keys())
  return seen
}
