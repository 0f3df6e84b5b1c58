import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { Ev } from '../../../src/gotrace/index.js'
import { LiveRuns } from '../../../src/pipeline/collect/liveRuns.js'
import { GoTraceWriter } from '../../support/goTraceWriter.js'
import { Source } from '../../support/source.js'
import { TestOutbox } from '../../support/testOutbox.js'

const awayAfterMs = 200
const cutOffAfterMs = 60_000

/** One generation that is over now, on the clock of the system, with the trace's header when it is the first. */
function generation(gen: number, isOld = false): Uint8Array {
  const nowNs = Number(process.hrtime.bigint())
  const writer = new GoTraceWriter(nowNs, isOld ? undefined : 1_700_000_000, gen)
  writer.event(100, 0, Ev.ProcStatus, 0, 1)
  return writer.bytes()
}

const record = (atNs: number) =>
  Buffer.from(`svc 99/100 [000] 1000.${String(atNs).padStart(9, '0')}: PERF_RECORD_SWITCH IN\n`)
const opening = Buffer.from('# captured on : a test\nsvc 0/0 [000] 0.000000000: PERF_RECORD_COMM: svc:99/100\n')

class Bench {
  readonly go = new Source<Uint8Array>()
  readonly perf = new Source<Uint8Array>()
  private readonly outbox = new TestOutbox()
  readonly status = this.outbox.status
  stalledSinceMs: number | undefined
  private readonly jobs: Promise<unknown>

  constructor() {
    const runs = new LiveRuns({
      begin: () => this.outbox.begin(() => this.status.gotrace.isOpen),
      perfOpening: () => Promise.resolve(opening),
      awayAfterMs,
      stalledSinceMs: () => this.stalledSinceMs,
      cutOffAfterMs,
      status: this.status.gotrace,
      log: pino({ level: 'silent' }),
    })
    this.jobs = Promise.all([runs.shipGo(this.go.read()), runs.shipPerf(this.perf.read())])
  }

  async untilAway(times: number): Promise<void> {
    while (this.status.gotrace.absences < times) await sleep(5)
  }

  async untilRun(number: number): Promise<void> {
    while (this.runs().length < number) await sleep(5)
  }

  async end(): Promise<void> {
    this.go.end()
    this.perf.end()
    await this.jobs
  }

  runs() {
    return this.outbox.runs()
  }
}

describe('a Go source that is away for a while', () => {
  it('ends its half of the run, and begins another run of both halves when it is back, perf’s text passing from one to the other', async () => {
    const bench = new Bench()
    const first = generation(1)
    bench.perf.give(opening, record(1))
    bench.go.give(first)
    await bench.untilAway(1)
    bench.perf.give(record(2))
    while (bench.runs()[0]!.perf.length < opening.length + 2 * record(1).length) await sleep(5)
    // As of a file that stood still: a generation without the trace's header.
    const back = generation(2)
    bench.go.give(back)
    await bench.untilRun(2)
    bench.perf.give(record(3))
    await bench.untilAway(2)
    const anew = generation(1)
    bench.go.give(anew)
    await bench.untilRun(3)
    await bench.end()
    const header = first.subarray(0, 16)
    const runs = bench.runs()
    assert.deepEqual(
      runs.map(({ ended }) => ended),
      Array(3).fill(['gotrace', 'perf']),
    )
    assert.deepEqual(runs[0]!.gotrace, Buffer.from(first))
    assert.deepEqual(runs[1]!.gotrace, Buffer.concat([header, back]))
    assert.equal(String(runs[0]!.perf), String(Buffer.concat([opening, record(1), record(2)])))
    assert.equal(String(runs[1]!.perf), String(Buffer.concat([opening, record(3)])))
    assert.equal(String(runs[2]!.perf), String(opening))
    assert.deepEqual(runs[2]!.gotrace, Buffer.from(anew))
  })

  it('is not away while a connection is open', async () => {
    const bench = new Bench()
    bench.status.gotrace.isOpen = true
    bench.go.give(generation(1))
    await sleep(4 * awayAfterMs)
    bench.go.give(generation(2))
    await bench.end()
    assert.equal(bench.runs().length, 1)
    assert.equal(bench.status.gotrace.absences, 0)
  })

  it('does not begin a run with a generation that was complete before it went away', async () => {
    const bench = new Bench()
    const [first, held] = [generation(1, true), generation(2, true)]
    bench.go.give(first)
    await bench.untilAway(1)
    const back = generation(3, true)
    bench.go.give(held, back)
    await bench.end()
    const [, second, ...others] = bench.runs()
    assert.equal(others.length, 0)
    assert.deepEqual(second!.gotrace, Buffer.concat([first.subarray(0, 16), back]))
  })
})

describe('a collector that is cut off from Kafka', () => {
  const longAgo = () => performance.now() - 2 * cutOffAfterMs

  it('begins another run of both halves where a generation begins, once in an outage', async () => {
    const bench = new Bench()
    bench.status.gotrace.isOpen = true
    const [first, second, third, fourth] = [
      generation(1),
      generation(2, true),
      generation(3, true),
      generation(4, true),
    ]
    const perf = (bytes: number) => untilTrue(() => bench.runs().at(-1)?.perf.length === bytes)
    bench.perf.give(opening, record(1))
    bench.go.give(first)
    await perf(opening.length + record(1).length)
    bench.stalledSinceMs = performance.now()
    bench.go.give(second)
    await untilTrue(() => bench.status.gotrace.bytes === first.length + second.length)
    bench.stalledSinceMs = longAgo()
    bench.perf.give(record(2))
    await perf(opening.length + 2 * record(1).length)
    bench.go.give(third)
    await bench.untilRun(2)
    bench.perf.give(record(3))
    bench.go.give(fourth)
    await bench.end()
    const runs = bench.runs()
    assert.deepEqual(
      runs.map(({ ended }) => ended),
      Array(2).fill(['gotrace', 'perf']),
    )
    assert.deepEqual(runs[0]!.gotrace, Buffer.concat([first, second]))
    assert.deepEqual(runs[1]!.gotrace, Buffer.concat([first.subarray(0, 16), third, fourth]))
    assert.equal(String(runs[0]!.perf), String(Buffer.concat([opening, record(1), record(2)])))
    assert.equal(String(runs[1]!.perf), String(Buffer.concat([opening, record(3)])))
  })

  it('begins another run of perf alone while the Go source is away', async () => {
    const bench = new Bench()
    bench.go.give(generation(1))
    bench.perf.give(opening, record(1))
    await bench.untilAway(1)
    bench.stalledSinceMs = longAgo()
    bench.perf.give(record(2))
    await bench.untilRun(2)
    bench.stalledSinceMs = longAgo()
    bench.perf.give(record(3))
    await bench.untilRun(3)
    const back = generation(2)
    bench.go.give(back)
    await bench.untilRun(4)
    await bench.end()
    const runs = bench.runs()
    assert.deepEqual(
      runs.map(({ ended }) => ended),
      Array(4).fill(['gotrace', 'perf']),
    )
    assert.equal(String(runs[1]!.perf), String(Buffer.concat([opening, record(2)])))
    assert.equal(runs[1]!.gotrace.length, 0)
    assert.ok(runs[3]!.gotrace.subarray(-back.length).equals(back))
  })
})

async function untilTrue(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(5)
}
