import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Analysis } from '../../../src/analysis/analysis.js'
import { Ev, generationSpan, GenerationSplitter, traceHeader } from '../../../src/gotrace/index.js'
import type { InputStatus } from '../../../src/pipeline/collect/status.js'
import type { LocalStack } from '../../../src/stack/local.js'
import type { Envelope } from '../../../src/transport/envelope.js'
import { tracks } from '../../../src/transport/topics.js'
import { CollectorProcess } from '../../support/collector.js'
import { Gate } from '../../support/gate.js'
import { GoTraceWriter } from '../../support/goTraceWriter.js'
import { assertJoinedOn } from '../../support/joinedOn.js'
import { NormalizerProcess } from '../../support/normalizer.js'
import { perfTurns } from '../../support/perfTurns.js'
import { type RawMessage, readRawTopics, trackOf } from '../../support/rawTopics.js'
import { requireGo, requireJava, requirePerf } from '../../support/requirements.js'
import { sharedStack } from '../../support/stack.js'
import { computedRows, storedRows, withoutLag } from '../../support/storedRows.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../../support/workloads.js'

/** Longer than the collector waits before it goes on without a Go source. */
const latenessMs = 5000

describe('a collector whose Go source comes and goes', function () {
  let stack: LocalStack
  let folder = ''
  let collector: CollectorProcess | undefined
  let normalizer: NormalizerProcess | undefined
  let workload: RunningWorkload | undefined

  before(async function () {
    requireJava(this)
    requireGo(this)
    requirePerf(this)
    stack = await sharedStack()
  })
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-sources-'))))
  afterEach(async function () {
    await workload?.stop()
    await collector?.kill()
    await normalizer?.kill()
    if (this.currentTest?.isFailed() === true) process.stderr.write(`${collector?.lines.slice(-30).join('\n') ?? ''}\n`)
    rmSync(folder, { recursive: true, force: true })
  })

  /** A collector of the process, and a normalizer of what it ships. */
  function start(prefix: string, pid: number, env: Record<string, string>, pipeline = 'collect') {
    const both = { DUALTRACE_KAFKA: stack.kafka.brokers.join(','), DUALTRACE_TOPIC_PREFIX: `${prefix}.` }
    normalizer = new NormalizerProcess({
      ...both,
      DUALTRACE_QUESTDB: stack.questdb.url,
      DUALTRACE_GROUP: prefix,
      DUALTRACE_LATENESS: `${latenessMs}ms`,
    })
    const own = {
      DUALTRACE_PID: String(pid),
      DUALTRACE_SPOOL: join(folder, 'spool'),
      DUALTRACE_HOST: 'test',
      DUALTRACE_REPORT_EVERY: '1s',
    }
    collector = new CollectorProcess({ ...both, ...own, ...env }, pipeline)
    return { own: collector, normalizer }
  }

  it('reads the pprof endpoint again when it has not answered for longer than a track may be silent, and loses nothing of perf', async () => {
    workload = await startWorkload(buildWorkload('rpc'), ['-duration', '5m'])
    const { port, pathname } = new URL(workload.pprof)
    const gate = await Gate.open(Number(port))
    try {
      const { own, normalizer } = start('sources1', workload.pid, {
        DUALTRACE_TRACE_URL: `http://127.0.0.1:${gate.port}${pathname}`,
        DUALTRACE_TRACE_WINDOW: '1s',
        DUALTRACE_AWAY_AFTER: '2s',
      })
      await own.state(({ inputs: [input] }) => input!.gotrace.isOpen && input!.perf.bytes > 0)
      const linesSoFar = own.lines.length
      await gate.shut()
      await own.saidFrom(linesSoFar, 'nothing comes of the Go trace')
      await sleep(latenessMs)
      await gate.unshut()
      await own.saidFrom(linesSoFar, 'the Go trace is back')
      const backNs = BigInt(Date.now()) * 1_000_000n
      const { generations } = (await own.state()).inputs[0]!.gotrace
      await own.state(({ inputs: [input] }) => input!.gotrace.generations > generations + 2)
      await workload.stop()
      assert.equal(await own.exited, 0)

      const messages = await readRawTopics(stack.kafka.brokers, 'sources1.')
      const { source } = messages[0]!.envelope
      // More than two when the endpoint was slow to answer for the first time.
      const streams = [...new Set(messages.map(({ envelope }) => envelope.stream))].sort()
      assert.ok(streams.length >= 2)
      const texts = streams.map((stream) => trackOf(messages, source, 'perf', stream))
      assert.deepEqual(
        texts.map(({ gaps, ended }) => [gaps, ended]),
        streams.map(() => [[], true]),
      )
      const seen = perfTurns(Buffer.concat(texts.map(({ bytes }) => bytes)))
      assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
      // The last run is read from its own text alone.
      const last = perfTurns(texts.at(-1)!.bytes)
      assert.ok(last.switches > 100 && last.problems.length === 0)

      await normalizer.said('the source has ended', streams.at(-1)!)
      await assertJoinedOn(normalizer, stack.questdb.url, source, backNs)
      // perf's text passes from one run to the next at one place, so both have rows of that second: all of them are there.
      const stored = await assertRowsOfRuns(messages, source, streams)
      const seconds = stored['pipeline_health']!.filter(({ track }) => track === 'perf').map(({ ts }) => ts)
      assert.ok(new Set(seconds).size < seconds.length)
      assert.equal(await normalizer.stop(), 0)
    } finally {
      await gate.shut()
    }
  })

  /** What is stored is what the bytes of each run give by themselves. */
  async function assertRowsOfRuns(messages: readonly RawMessage[], source: string, streams: readonly string[]) {
    const expected = streams.flatMap((stream) => {
      const [gotrace, perf] = tracks.map((track) => trackOf(messages, source, track, stream).bytes)
      const { envelope } = messages.find((message) => message.envelope.stream === stream)!
      return rowsOf(envelope, gotrace!, perf!).map(({ table, row }) => ({ table, row, run: stream }))
    })
    const stored = withoutLag(await storedRows(stack.questdb.url, source, { runs: true }))
    assert.deepEqual(stored, withoutLag(computedRows(expected, source)))
    return stored
  }

  it('begins a new run of both halves when a socket, a growing file or a directory goes on after a pause', async () => {
    const [socketPath, filePath, directory] = ['socket', 'go.trace', 'parts'].map((name) => join(folder, name))
    mkdirSync(directory!)
    const services = ['socket', 'file', 'directory'].map((name) => ({ name, child: spawn('sleep', ['110']) }))
    const places = [`traceSocket: ${socketPath!}`, `traceFile: ${filePath!}`, `traceDirectory: ${directory!}`]
    const inputs = services.map(
      ({ name, child }, at) =>
        `  - process: { pid: ${child.pid!}, ${places[at]!}, awayAfter: 2s, host: test, service: ${name} }\n`,
    )
    const kafka = `{ brokers: '${stack.kafka.brokers.join(',')}', topicPrefix: sources3. }`
    writeFileSync(
      join(folder, 'three.yaml'),
      `kind: collect\nkafka: ${kafka}\nreportEvery: 1s\ninputs:\n${inputs.join('')}`,
    )
    /** What the services say now; the generations of each make one trace. */
    const tell = async (gen: number) => {
      const writer = new GoTraceWriter(Number(process.hrtime.bigint()), Date.now() / 1000, gen)
      writer.event(100, 0, Ev.ProcStatus, 0, 1)
      const bytes = writer.bytes()
      const whole = gen === 1 ? bytes : Buffer.concat([traceHeader('1.26'), bytes])
      appendFileSync(filePath!, bytes)
      writeFileSync(join(directory!, `trace-00000${gen}.trace`), whole)
      await new Promise<void>((resolve) => connect(socketPath!).end(whole, resolve))
    }
    try {
      const { own, normalizer } = start('sources3', 0, {}, join(folder, 'three'))
      const all = (isWanted: (input: InputStatus) => boolean) => own.state((state) => state.inputs.every(isWanted))
      // Nothing has come yet, so all are away; and then again.
      await all(({ gotrace, perf }) => gotrace.absences === 1 && perf.bytes > 0)
      await tell(1)
      await all(({ gotrace }) => gotrace.generations === 1 && gotrace.absences === 2)
      await tell(2)
      await all(({ gotrace }) => gotrace.generations === 2)
      for (const { child } of services) child.kill()
      assert.equal(await own.exited, 0)
      const messages = await readRawTopics(stack.kafka.brokers, 'sources3.')
      const sources = new Set(messages.map(({ envelope }) => envelope.source))
      assert.equal(sources.size, services.length)
      for (const source of sources) {
        const ofSource = messages.filter(({ envelope }) => envelope.source === source)
        const streams = [...new Set(ofSource.map(({ envelope }) => envelope.stream))].sort()
        for (const stream of streams) await normalizer.said('the source has ended', source, stream)
        const told = streams.map((stream) => generationsOf(trackOf(messages, source, 'gotrace', stream).bytes))
        assert.deepEqual([source, told], [source, [[], [1], [2]]])
        await assertRowsOfRuns(messages, source, streams)
      }
      assert.equal(await normalizer.stop(), 0)
    } finally {
      for (const { child } of services) child.kill('SIGKILL')
    }
  })

  it('ships each dump of a flight recorder with perf’s text of its time, and what two dumps share once', async () => {
    const dumps = join(folder, 'dumps')
    mkdirSync(dumps)
    workload = await startWorkload(buildWorkload('dumps'), ['-duration', '5m', '-directory', dumps])
    const { pid } = workload
    const { own, normalizer } = start('sources2', pid, {
      DUALTRACE_TRACE_DUMPS: dumps,
      DUALTRACE_DUMP_WINDOW: '3s',
    })
    const dump = async (number: number) => {
      process.kill(pid, 'SIGUSR1')
      return own.state(({ inputs: [input] }) => input!.gotrace.traces === number)
    }
    await own.state(({ inputs: [input] }) => input!.perf.keptBytes > 0)
    // Longer than the recorder reaches back.
    await sleep(4000)
    await dump(1)
    // It holds a part of the first one.
    const { inputs } = await dump(2)
    assert.deepEqual([inputs[0]!.gotrace.uncovered, inputs[0]!.gotrace.failures], [0, 0])
    await workload.stop()
    assert.equal(await own.exited, 0)
    const messages = await readRawTopics(stack.kafka.brokers, 'sources2.')
    const { envelope } = messages[0]!
    const { source } = envelope
    assert.deepEqual([...new Set(messages.map(({ envelope: { stream } }) => stream))], [envelope.stream])
    const [gotrace, perf] = tracks.map((track) => trackOf(messages, source, track))
    assert.deepEqual([gotrace!.gaps, gotrace!.ended, perf!.gaps, perf!.ended], [[], true, [], true])
    const { bytes, fromNs, toNs } = unionOf(readdirSync(dumps).map((name) => readFileSync(join(dumps, name))))
    assert.deepEqual(gotrace!.bytes, bytes)
    const seen = perfTurns(perf!.bytes)
    assert.deepEqual([seen.lost, seen.outOfTurn, seen.problems], [0, [], []])
    assert.ok(seen.firstNs <= fromNs && seen.lastNs < toNs, JSON.stringify({ ...seen, fromNs, toNs }))
    await normalizer.said('the source has ended')
    const rows = rowsOf(envelope, gotrace!.bytes, perf!.bytes)
    assert.deepEqual(withoutLag(await storedRows(stack.questdb.url, source)), withoutLag(computedRows(rows, source)))
    const { time_classes: classes } = computedRows(rows, source)
    assert.ok(classes!.some(({ class: name }) => name === 'on_cpu'))
    assert.equal(await normalizer.stop(), 0)
  })
})

/** Numbers of the whole generations of a trace. */
function generationsOf(trace: Uint8Array): number[] {
  const splitter = new GenerationSplitter()
  splitter.push(trace)
  splitter.end()
  const found: number[] = []
  for (let next = splitter.next(); next !== undefined; next = splitter.next()) if (next.whole) found.push(next.gen)
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
