import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openGoTrace } from '../../src/capture/goTrace.js'
import { openInput } from '../../src/capture/input.js'
import { Ev, GoTraceReader } from '../../src/gotrace/index.js'
import { defaultSyscalls, perfRecordArgs } from '../../src/perf/command.js'
import { PerfScriptReader } from '../../src/perf/index.js'
import { analyzeCapture, analyzeOffline, openFiles, type OfflineResult } from '../../src/pipeline/offline.js'
import { renderTerminal } from '../../src/report/terminal.js'
import { builtPrograms } from '../support/builtPrograms.js'
import { recordWorkload } from '../support/recording.js'
import { requireGo, requirePerf, requireToolchain } from '../support/requirements.js'
import { buildWorkload, startWorkload } from '../support/workloads.js'

/** A recording on a quiet machine has more. */
const leastConfidence = 0.7
/** A thread that said so often which one it is must be found, if perf recorded it. */
const logsToBeFound = 50
/** Recordings that may be refused, of the six that there are at most: more are no accident. */
const mostRefused = 2
const patience = { silenceMs: 30_000, signal: new AbortController().signal }

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dualtrace-clock-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('a recording by perf on its own clock', function () {
  before(function () {
    requireGo(this)
    requirePerf(this)
  })

  it('is joined, with the classes of a recording on CLOCK_MONOTONIC that was made at the same time', async () => {
    const workload = await startWorkload(buildWorkload('rpc'), ['-duration', '5m'])
    // Threads that start while perf attaches are not recorded, and network unblocks on them have no epoll_pwait: most start in the first moments.
    await sleep(2000)
    const recordings = ['monotonic', 'own'].map((name) => {
      const options = { frequencyHz: 99, syscalls: defaultSyscalls, wakeupsElsewhere: [], bufferBytes: 4 << 20 }
      const args = perfRecordArgs({ ...options, pid: workload.pid, output: join(folder, `${name}.data`) })
      const clock = args.indexOf('-k')
      if (name === 'own') args.splice(clock, 2)
      const child = spawn('perf', args, { stdio: 'ignore' })
      return { child, exited: once(child, 'exit') }
    })
    try {
      // Long enough for both to have attached on a busy machine.
      await sleep(2500)
      const chunks: Uint8Array[] = []
      for await (const chunk of openGoTrace(workload.pprof, 3, patience)) chunks.push(chunk)
      await writeFile(join(folder, 'go.trace'), Buffer.concat(chunks))
    } finally {
      for (const { child } of recordings) child.kill('SIGINT')
      await Promise.all(recordings.map(({ exited }) => exited))
      await workload.stop()
    }
    const analyze = async (name: string) =>
      analyzeOffline(await openFiles(join(folder, 'go.trace'), join(folder, `${name}.data`)))
    const own = await analyze('own')
    const monotonic = await analyze('monotonic')
    const methods = [own.summary.clock.method, monotonic.summary.clock.method]
    assert.deepEqual(methods, ['fitted', 'monotonic'], own.summary.clock.reason)
    assert.match(renderTerminal(own, false), /joined by events that both tell of, perf’s clock differs from Go’s by/)
    const [ownNs, trueNs] = [classesOf(own), classesOf(monotonic)]
    const total = [...trueNs.values()].reduce((a, b) => a + b, 0)
    for (const name of new Set([...ownNs.keys(), ...trueNs.keys()])) {
      const difference = Math.abs((ownNs.get(name) ?? 0) - (trueNs.get(name) ?? 0))
      assert.ok(difference < total * 0.005, `${name} differs by ${difference} of ${total} ns`)
    }
    const { fit } = own.summary
    assert.ok(fit.pairs > 200 && fit.unmatched < fit.pairs / 10, JSON.stringify(fit))
  })
})

describe('a trace of Go 1.21 or older', function () {
  const toolchains = ['go1.21.13', 'go1.20.14']
  before(function () {
    requirePerf(this)
    for (const toolchain of toolchains) requireToolchain(this, toolchain)
  })

  it('is joined approximately, each thread with the one it says it is, and not with a recording of another process', async () => {
    const refused: string[] = []
    for (const toolchain of toolchains) {
      const out = join(folder, toolchain)
      const { summary } = await recordJoinable(buildTids(toolchain), out, refused)
      assert.equal(summary.clock.method, 'inferred', summary.clock.reason)
      assert.ok(summary.clock.confidence! > leastConfidence)
      const { count, residualP50Ns, residualP99Ns } = summary.clock.fit!.pairs!
      assert.ok(count > 100 && residualP50Ns! < 10e3 && residualP99Ns! < 20e3, JSON.stringify(summary.clock.fit!.pairs))
      assert.equal(summary.wallSource, 'perf')
      // perf begins first, so its first record, by its own reading of the wall clock, is where the capture begins.
      const begunNs = await firstRecordWallNs(join(out, 'perf.script.gz'))
      const apartNs = Number(BigInt(summary.fromWallNs!) - begunNs)
      assert.ok(Math.abs(apartNs) < 1e6, `${apartNs} ns`)
      const threads = summary.clock.threads!
      const recorded = await threadsIn(join(out, 'perf.script.gz'))
      let checked = 0
      for (const [m, { tid, logs }] of loggedThreads(join(out, 'go.trace'))) {
        // One that started while perf attached may not be recorded at all.
        const mustBeFound = logs >= logsToBeFound && recorded.has(tid)
        if (mustBeFound) checked++
        if (mustBeFound || threads.has(m))
          assert.equal(threads.get(m), tid, `thread ${m} of the trace, of ${logs} logs`)
      }
      assert.ok(checked >= 2, `${checked} threads had logs enough to be found`)
      const told = renderTerminal(await analyzeCapture(out), false)
      assert.match(
        told,
        /joined approximately, clock and threads inferred with confidence \d.*, fitted to [\d,]+ pairs, residual p50 /,
      )
      assert.match(told, /network unblocks, their thread is not in this trace/)
    }
    assert.ok(refused.length <= mostRefused, refused.join('\n'))
    const [first, second] = toolchains.map((toolchain) => join(folder, toolchain))
    const crossed = await analyzeOffline(await openFiles(join(first!, 'go.trace'), join(second!, 'perf.script.gz')))
    assert.deepEqual([crossed.summary.clock.method, crossed.summary.clock.joined], ['fit_failed', false])
    assert.ok(![...classesOf(crossed).keys()].includes('on_cpu'))
  })
})

/**
 * Records until the two tracks are joined for certain, three times at most: an old trace counts the ticks of the CPU, and a virtual machine that stands still
 * for a moment leaves it with ticks that no steady clock fits. Such a recording is refused, and rightly.
 */
async function recordJoinable(executable: string, out: string, refused: string[]): Promise<OfflineResult> {
  for (let left = 2; ; left--) {
    await recordWorkload(executable, [], out, 2000)
    const result = await analyzeCapture(out)
    const { joined, confidence = 0, reason } = result.summary.clock
    if ((joined && confidence > leastConfidence) || left === 0) return result
    // A machine with other work to do lowers the confidence; it does not make them captures of different times.
    if (!joined) refused.push(reason)
    console.log(`      recorded once more: ${joined ? `confidence ${confidence}` : reason}`)
    await rm(out, { recursive: true })
  }
}

async function firstRecordWallNs(path: string): Promise<bigint> {
  const { chunks } = await openInput(path)
  const reader = new PerfScriptReader()
  for await (const chunk of chunks) {
    reader.push(chunk)
    while (reader.next()) {
      if (!reader.record.hasTime) continue
      const { wallNs, clockNs } = reader.header.reference!
      return reader.baseNs! + BigInt(reader.record.timeNs) + wallNs - clockNs
    }
  }
  throw new Error(`${path} has no record`)
}

function classesOf({ rows }: OfflineResult): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { table, row } of rows) {
    if (table !== 'time_classes') continue
    const name = String(row['class'])
    sums.set(name, (sums.get(name) ?? 0) + Number(row['ns']))
  }
  return sums
}

function buildTids(toolchain: string): string {
  const output = join(builtPrograms('workloads'), `tids-${toolchain}`)
  const env = { ...process.env, GOFLAGS: '', GOTOOLCHAIN: toolchain }
  const args = ['build', '-trimpath', '-modfile=go1.18.mod', '-o', output, './tids']
  execFileSync('go', args, { cwd: 'test/workloads', env, stdio: 'pipe' })
  return output
}

async function threadsIn(path: string): Promise<Set<number>> {
  const { chunks } = await openInput(path)
  const reader = new PerfScriptReader()
  const tids = new Set<number>()
  for await (const chunk of chunks) {
    reader.push(chunk)
    while (reader.next()) if (reader.record.hasTime) tids.add(reader.record.tid)
  }
  return tids
}

/** By the trace's own number of the thread: its id, as the program logged it on that thread, and how often. */
function loggedThreads(path: string): Map<number, { readonly tid: number; readonly logs: number }> {
  const reader = new GoTraceReader()
  reader.push(readFileSync(path))
  reader.end()
  const logged = new Map<number, Map<number, number>>()
  while (reader.next()) {
    const { event } = reader
    if (event.type !== Ev.UserLog || event.tid < 0) continue
    const tids = logged.get(event.tid) ?? new Map<number, number>()
    logged.set(event.tid, tids)
    const tid = Number(reader.string(event.args[2]!))
    tids.set(tid, (tids.get(tid) ?? 0) + 1)
  }
  // A goroutine may be moved between asking and logging, rarely.
  return new Map(
    [...logged].map(([m, tids]) => {
      const [tid, logs] = [...tids].sort((a, b) => b[1] - a[1])[0]!
      return [m, { tid, logs }]
    }),
  )
}
