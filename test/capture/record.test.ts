import assert from 'node:assert/strict'
import { access, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readCapture } from '../../src/capture/directory.js'
import { openInput } from '../../src/capture/input.js'
import { openLivePerf } from '../../src/capture/livePerf.js'
import { record, type RecordOptions, type RecordResult } from '../../src/capture/record.js'
import { defaultSyscalls } from '../../src/perf/command.js'
import { PerfKind, PerfScriptReader } from '../../src/perf/index.js'
import { freePort } from '../../src/stack/ports.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload, type RunningWorkload, startWorkload } from '../support/workloads.js'

describe('record', () => {
  let folder = ''
  let executable = ''
  let workload: RunningWorkload | undefined

  before(function () {
    requireGo(this)
    requirePerf(this)
    executable = buildWorkload('rpc')
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-test-'))
  })
  afterEach(async () => {
    await workload?.stop()
    workload = undefined
    await rm(folder, { recursive: true })
  })

  function recording(options: Partial<RecordOptions> & Pick<RecordOptions, 'target'>): Promise<RecordResult> {
    return record({
      durationMs: 1000,
      out: join(folder, 'capture'),
      host: 'test-host',
      frequencyHz: 99,
      syscalls: defaultSyscalls,
      bufferBytes: 4 << 20,
      keepPerfData: false,
      note: () => undefined,
      ...options,
    })
  }

  it('records both tracks of a running process by pid', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const { directory, missing, manifest } = await recording({
      target: { pid: workload.pid },
      traceUrl: workload.pprof,
    })
    assert.deepEqual(missing, [])
    assert.equal(manifest.pid, workload.pid)
    assert.match(manifest.source, new RegExp(`^test-host/rpc/${workload.pid}/\\d{4}-\\d\\d-\\d\\dT`))
    const capture = await readCapture(directory)
    assert.deepEqual(capture.manifest, manifest)
    assert.equal((await openInput(capture.gotracePath!)).kind, 'gotrace')
    assert.deepEqual((await readdir(directory)).sort(), ['go.trace', 'manifest.json', 'perf.script.gz'])

    const perf = await readPerf(openInput(capture.perfPath!).then((input) => input.chunks))
    assert.equal(perf.reader.header.clockId, 1)
    assert.equal(perf.reader.header.hostname, 'test-host')
    assert.deepEqual([...perf.reader.problemCounts], [])
    assertComplete(perf, workload.pid)
    // The manifest's pair of clocks and the one perf wrote are of the same machine.
    const { monotonicNs, wallNs } = manifest.clock!
    const offset = BigInt(wallNs) - BigInt(monotonicNs)
    const { reference } = perf.reader.header
    const difference = Number(offset - (reference!.wallNs - reference!.clockNs))
    assert.ok(Math.abs(difference) < 5e6, `the two differ by ${difference} ns`)
  })

  it('sees wake-ups made by others, and none twice', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const { directory, manifest } = await recording({ target: { pid: workload.pid } })
    assert.deepEqual(manifest.perf?.notes, [])
    const perf = await readPerf(openInput(join(directory, manifest.perf.file)).then((input) => input.chunks))
    const byOthers = perf.wakeups.filter(({ wakerPid }) => wakerPid !== workload?.pid)
    assert.ok(byOthers.length > 0 && byOthers.length < perf.wakeups.length)
    const distinct = new Set(perf.wakeups.map(({ wakerTid, timeNs, wakee }) => `${wakerTid} ${timeNs} ${wakee}`))
    assert.equal(distinct.size, perf.wakeups.length)
  })

  it('records a command from its first instruction, with the trace it writes itself', async () => {
    const traceFile = join(folder, 'own.trace')
    const target = { command: [executable, '-duration', '1s', '-trace', traceFile] }
    const { directory, manifest, missing } = await recording({ target, traceFile, durationMs: 10_000 })
    assert.deepEqual(missing, [])
    assert.deepEqual(manifest.recorded?.command, target.command)
    assert.equal((await openInput(join(directory, manifest.gotrace!.file))).kind, 'gotrace')
    const perf = await readPerf(openInput(join(directory, manifest.perf!.file)).then((input) => input.chunks))
    assertComplete(perf, manifest.pid)
    // The shell it was held back in has become the command.
    assert.ok(perf.comms.get(manifest.pid)?.has('rpc'))
  })

  it('waits until the pprof endpoint of a command answers', async () => {
    const port = String(await freePort())
    const target = { command: [executable, '-duration', '5m', '-port', port] }
    const { manifest, missing } = await recording({ target, traceUrl: `http://127.0.0.1:${port}`, durationMs: 700 })
    assert.deepEqual(missing, [])
    assert.match(manifest.recorded?.go ?? '', /^go 1\.\d+$/)
    assert.throws(() => process.kill(manifest.pid, 0), { code: 'ESRCH' })
  })

  it('keeps what there is when the process ends in the middle, and says so', async () => {
    // On a busy machine perf takes seconds to attach, and the trace begins behind that.
    workload = await startWorkload(executable, ['-duration', '10s'])
    const result = await recording({ target: { pid: workload.pid }, traceUrl: workload.pprof, durationMs: 30_000 })
    assert.match(result.missing[0] ?? '', new RegExp(`process ${workload.pid} ended .* into the recording`))
    const perf = await readPerf(openInput(join(result.directory, 'perf.script.gz')).then((input) => input.chunks))
    assertComplete(perf, workload.pid)
  })

  it('ends early when told to, with a whole trace', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const interrupt = new AbortController()
    void sleep(1500).then(() => interrupt.abort())
    const target = { pid: workload.pid }
    const { missing } = await recording({
      target,
      traceUrl: workload.pprof,
      durationMs: 25_000,
      signal: interrupt.signal,
    })
    assert.deepEqual(missing, [])
  })

  it('does not take a trace file that is older than the recording for the trace', async () => {
    const target = { command: [executable, '-duration', '300ms'] }
    const { manifest, missing } = await recording({ target, traceFile: 'package.json' })
    assert.match(missing.join(), /package\.json is older than the recording/)
    assert.equal(manifest.gotrace, undefined)
  })

  it('keeps perf.data when asked', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const { directory } = await recording({ target: { pid: workload.pid }, durationMs: 200, keepPerfData: true })
    await access(join(directory, 'perf.data'))
  })

  it('leaves nothing behind when the pprof endpoint is not there', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const wrong = new URL('/nothing/here', workload.pprof).href
    await assert.rejects(recording({ target: { pid: workload.pid }, traceUrl: wrong }), /answered 404/)
    assert.deepEqual(await readdir(folder), [])
  })

  it('streams perf text live, and what it had is delivered after the stop', async () => {
    workload = await startWorkload(executable, ['-duration', '5m'])
    const live = await openLivePerf({ pid: workload.pid })
    void sleep(1000).then(() => live.stop())
    const perf = await readPerf(Promise.resolve(live.text))
    assert.equal(perf.reader.header.clockId, 1)
    assertComplete(perf, workload.pid)
    assert.equal(perf.counts.get(`0 kind ${PerfKind.Lost}`), undefined)
    assert.deepEqual(live.notes, [])
  })
})

interface Wakeup {
  readonly wakerPid: number
  readonly wakerTid: number
  readonly wakee: number
  readonly timeNs: number
}

interface PerfSummary {
  readonly reader: PerfScriptReader
  /** Records of the kind or event, per process. */
  readonly counts: Map<string, number>
  readonly comms: Map<number, Set<string>>
  readonly wakeups: Wakeup[]
}

async function readPerf(chunks: Promise<AsyncIterable<Uint8Array>>): Promise<PerfSummary> {
  const reader = new PerfScriptReader()
  const summary: PerfSummary = { reader, counts: new Map(), comms: new Map(), wakeups: [] }
  for await (const chunk of await chunks) {
    reader.push(chunk)
    while (reader.next()) add(summary)
  }
  reader.end()
  while (reader.next()) add(summary)
  return summary
}

function add({ reader, counts, comms, wakeups }: PerfSummary): void {
  const { record: at } = reader
  const call = at.kind === PerfKind.Sample ? reader.syscallEvent : undefined
  const event = call === undefined ? reader.eventName(at.eventId) : `sys_${call.half}_${reader.syscallName(call)}`
  const name = at.kind === PerfKind.Sample ? event : `kind ${at.kind}`
  const key = `${at.pid} ${name}`
  counts.set(key, (counts.get(key) ?? 0) + 1)
  comms.set(at.pid, (comms.get(at.pid) ?? new Set()).add(at.comm))
  if (name !== 'sched:sched_waking') return
  const wakee = at.schedWakeup()?.tid ?? -1
  wakeups.push({ wakerPid: at.pid, wakerTid: at.tid, wakee, timeNs: at.timeNs })
}

/** Everything the join needs is there: switches both ways, with their reasons, and system calls. */
function assertComplete({ counts }: PerfSummary, pid: number): void {
  const wanted = [
    'sched:sched_switch',
    `kind ${PerfKind.SwitchIn}`,
    `kind ${PerfKind.SwitchOut}`,
    'sys_exit_epoll_pwait',
  ]
  for (const name of wanted) assert.ok((counts.get(`${pid} ${name}`) ?? 0) > 0, `no ${name} of process ${pid}`)
}
