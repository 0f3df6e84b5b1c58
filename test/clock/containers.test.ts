import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { openGoTrace } from '../../src/capture/goTrace.js'
import { defaultBufferBytes } from '../../src/capture/livePerf.js'
import { PerfStream } from '../../src/capture/perfStream.js'
import { record } from '../../src/capture/record.js'
import { defaultSyscalls } from '../../src/perf/command.js'
import {
  analyzeCapture,
  analyzeOffline,
  openCapture,
  openFiles,
  type OfflineResult,
} from '../../src/pipeline/offline.js'
import { inNamespace, processInside } from '../support/namespaces.js'
import { requireGo, requireNamespaces, requirePerf } from '../support/requirements.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../support/workloads.js'

const perfOptions = { frequencyHz: 99, syscalls: defaultSyscalls, bufferBytes: defaultBufferBytes }
const note = () => undefined
const patience = { silenceMs: 30_000, signal: new AbortController().signal }

describe('a process in a pid namespace of its own, perf outside', function () {
  let folder = ''
  let workload: RunningWorkload | undefined
  let pid = 0

  before(async function () {
    requireGo(this)
    requirePerf(this)
    requireNamespaces(this)
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-containers-'))
    workload = await startWorkload('unshare', inNamespace(buildWorkload('rpc'), '-duration', '5m'))
    assert.equal(workload.pid, 1)
    pid = await processInside(workload.process.pid!)
  })
  after(async () => {
    if (workload !== undefined) process.kill(pid, 'SIGTERM')
    await workload?.induced
    if (folder !== '') await rm(folder, { recursive: true })
  })

  it('is joined by the ids of its threads that record has put down, and not without them', async () => {
    const out = join(folder, 'capture')
    const traceUrl = workload!.pprof
    const target = { pid }
    const { manifest } = await record({
      ...perfOptions,
      target,
      traceUrl,
      durationMs: 2000,
      out,
      keepPerfData: false,
      note,
    })
    assert.ok(manifest.threads!.some(([outside, inside]) => outside === pid && inside === 1))
    assertJoined(await analyzeCapture(out))

    const { names, inputs } = await openCapture(out)
    const nameless = await analyzeOffline({ names: { ...names, threads: undefined }, inputs })
    assert.deepEqual([nameless.summary.clock.method, nameless.summary.clock.joined], ['no_common_thread', false])
    assert.ok(!nameless.rows.some(({ table, row }) => table === 'time_classes' && row['class'] === 'on_cpu'))
  })

  it('is joined by the lines that a stream of perf’s text tells of them', async () => {
    const over = new AbortController()
    const stream = new PerfStream({ ...perfOptions, pid, rotateEveryMs: 3_600_000, signal: over.signal, note })
    const perf = join(folder, 'perf.script')
    async function* text() {
      for await (const chunk of stream.text()) yield Buffer.from(chunk)
    }
    const collected = pipeline(Readable.from(text()), createWriteStream(perf))
    while (stream.pids.length === 0) await sleep(50)
    await sleep(1000)
    const chunks: Uint8Array[] = []
    for await (const chunk of openGoTrace(workload!.pprof, 2, patience)) chunks.push(chunk)
    over.abort()
    await collected
    await writeFile(join(folder, 'go.trace'), Buffer.concat(chunks))
    assertJoined(await analyzeOffline(await openFiles(join(folder, 'go.trace'), perf)))
  })
})

function assertJoined({ summary, rows }: OfflineResult): void {
  const { clock, commonThreads, fit } = summary
  assert.deepEqual([clock.method, clock.joined, clock.reason], ['monotonic', true, ''])
  assert.ok(commonThreads > 2, `${commonThreads} common threads`)
  assert.ok(fit.pairs > 100 && fit.pairs >= 0.9 * (fit.pairs + fit.unmatched), JSON.stringify(fit))
  const classes = new Set(rows.filter(({ table }) => table === 'time_classes').map(({ row }) => row['class']))
  assert.ok(classes.has('on_cpu') && classes.has('syscall_cpu'))
}
