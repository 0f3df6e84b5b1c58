import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { Ev } from '../../../src/gotrace/index.js'
import { DumpRuns } from '../../../src/pipeline/collect/dumpRuns.js'
import { PerfMemory } from '../../../src/pipeline/collect/perfMemory.js'
import type { TraceFile } from '../../../src/pipeline/collect/traceFiles.js'
import { GoTraceWriter } from '../../support/goTraceWriter.js'
import { Source } from '../../support/source.js'
import { TestOutbox } from '../../support/testOutbox.js'

/** The clock of traces and perf when a test begins, and how long generations are. */
const beginSeconds = 1000
const everyMs = 1000

/** Generation 1 begins at the beginning, and so on; each covers its second, but for the last 100 ms. */
function generation(gen: number): Uint8Array {
  const startNs = (beginSeconds + gen - 1) * 1e9
  const writer = new GoTraceWriter(startNs, 1_700_000_000, gen)
  writer.event(100, 0, Ev.ProcStatus, 0, 1)
  writer.event(101, (everyMs - 100) * 1e6, Ev.ProcStatus, 1, 1)
  return writer.bytes()
}
const header = generation(1).subarray(0, 16)
const bare = (gen: number) => (gen === 1 ? generation(1).subarray(16) : generation(gen))
const dumpOf = (...gens: readonly number[]) => Buffer.concat([header, ...gens.map(bare)])

const record = (ms: number) =>
  `svc 99/100 [000] ${beginSeconds + Math.floor(ms / 1000)}.${String((ms % 1000) * 1e6).padStart(9, '0')}: PERF_RECORD_SWITCH IN\n`
/** A record every 100 ms. */
const records = (fromMs: number, untilMs: number) =>
  Array.from({ length: (untilMs - fromMs) / 100 }, (_, nth) => record(fromMs + 100 * nth)).join('')
const opening = '# captured on : a test\n'

describe('the dumps of a flight recorder', () => {
  let folder = ''
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-dumps-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  function fileOf(name: string, bytes: Uint8Array): TraceFile {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    return { name, path, sizeBytes: bytes.length, mtimeMs: 0 }
  }

  function start({ openForMs = 3_600_000, sinceNs = 0, memory = new PerfMemory(3_600_000, 1 << 20) }) {
    const dumps = new Source<TraceFile[]>()
    const perf = new Source<Uint8Array>()
    const outbox = new TestOutbox()
    const runs = new DumpRuns({
      begin: () => outbox.begin(() => true),
      perf: { opening: () => Promise.resolve(Buffer.from(opening)), memory },
      openForMs: () => openForMs,
      sinceNs,
      status: outbox.status,
      log: pino({ level: 'silent' }),
    })
    const jobs = Promise.all([runs.shipGo(dumps.read()), runs.shipPerf(perf.read())])
    return {
      dump: async (...files: TraceFile[]) => {
        dumps.give(files)
        await dumps.drained()
      },
      tell: (text: string) => perf.give(Buffer.from(text)),
      told: () => perf.drained(),
      runs: () => outbox.runs(),
      status: outbox.status,
      end: async () => {
        dumps.end()
        perf.end()
        await jobs
        const found = outbox.runs()
        assert.ok(found.every(({ ended }) => String(ended) === 'gotrace,perf'))
        return found.map(({ gotrace, perf: text }) => ({ gotrace, perf: text.toString() }))
      },
    }
  }

  it('are shipped with perf’s text of their time, and what two of them share once, in one run', async () => {
    const bench = start({})
    bench.tell(records(0, 6000))
    await bench.dump(fileOf('a', dumpOf(2, 3)))
    bench.tell(records(6000, 9000))
    await bench.dump(fileOf('b', dumpOf(2, 3, 4)), fileOf('c', dumpOf(3, 4, 5)))
    // One of before adds nothing.
    await bench.dump(fileOf('d', dumpOf(1, 2)))
    assert.deepEqual(await bench.end(), [{ gotrace: dumpOf(2, 3, 4, 5), perf: opening + records(800, 4900) }])
    assert.equal(bench.status.gotrace.failures, 0)
    assert.equal(bench.status.gotrace.uncovered, 0)
  })

  it('get the text that perf tells after they have appeared', async () => {
    const bench = start({})
    bench.tell(records(0, 1500))
    await bench.dump(fileOf('a', dumpOf(1, 2)))
    bench.tell(records(1500, 6000))
    const [run] = await bench.end()
    assert.equal(run!.perf, opening + records(0, 1900))
  })

  it('begin a run of their own when the one before is over, with the trace’s header and without what was shipped', async () => {
    const bench = start({ openForMs: 1 })
    bench.tell(records(0, 9000))
    await bench.dump(fileOf('a', dumpOf(1, 2)))
    while (bench.runs()[0]?.ended.length !== 2) await sleep(5)
    await bench.dump(fileOf('b', dumpOf(2, 3)))
    assert.deepEqual(await bench.end(), [
      { gotrace: dumpOf(1, 2), perf: opening + records(0, 1900) },
      // From the end of the text before on, as the threads are wanted to be known when the trace begins.
      { gotrace: dumpOf(3), perf: opening + records(1900, 2900) },
    ])
  })

  it('have a LOST record where perf’s text between two of one run has been forgotten, and are counted when it begins too late', async () => {
    const bench = start({ memory: new PerfMemory(1000, 1 << 20) })
    for (let ms = 0; ms < 5000; ms += 100) bench.tell(record(ms))
    await bench.told()
    await bench.dump(fileOf('a', dumpOf(1, 2, 3, 4, 5)))
    assert.equal(bench.status.gotrace.uncovered, 1)
    while (!bench.runs()[0]!.perf.includes('1004.800000000')) await sleep(5)
    for (let ms = 5000; ms < 9000; ms += 100) bench.tell(record(ms))
    await bench.told()
    await bench.dump(fileOf('b', dumpOf(5, 6, 7, 8, 9)))
    const [run] = await bench.end()
    assert.match(run!.perf, /1004\.800000000: [^\n]+\nperf +0\/0 +1004\.899999999: PERF_RECORD_LOST lost 1\n/)
  })

  it('leave out what was over before the collector came, and bytes that are no generation, and say so', async () => {
    const bench = start({ sinceNs: (beginSeconds + 1.5) * 1e9 })
    bench.tell(records(0, 9000))
    const cut = dumpOf(2, 3, 4)
    await bench.dump(fileOf('a', dumpOf(1, 2)), fileOf('b', cut.subarray(0, cut.length - 20)))
    await bench.dump(fileOf('c', Buffer.from('no trace')))
    await bench.dump({ ...fileOf('d', cut), path: join(folder, 'gone') })
    const [run] = await bench.end()
    assert.deepEqual(run!.gotrace, dumpOf(2, 3))
    assert.equal(bench.status.gotrace.failures, 3)
  })
})
