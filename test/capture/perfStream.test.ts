import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPerfRecorder } from '../../src/capture/perfRecorder.js'
import { PerfStream, type PerfStreamOptions } from '../../src/capture/perfStream.js'
import { defaultSyscalls } from '../../src/perf/command.js'
import { PerfKind, PerfScriptReader } from '../../src/perf/index.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload, type RunningWorkload, startWorkload, type WorkloadName } from '../support/workloads.js'

/** perf record and perf script of the process's switches, of its system calls, and of those who wake it. */
const pidsOfOne = 6

describe('the perf stream of a process', () => {
  let workload: RunningWorkload | undefined
  let over = new AbortController()
  const notes: string[] = []

  before(function () {
    requireGo(this)
    requirePerf(this)
  })
  beforeEach(() => {
    over = new AbortController()
    notes.length = 0
  })
  afterEach(async function () {
    over.abort()
    if (this.currentTest?.isFailed() === true) process.stderr.write(`${notes.join('\n')}\n`)
    await workload?.stop()
    workload = undefined
  })

  async function open(name: WorkloadName, args: readonly string[], options: Partial<PerfStreamOptions> = {}) {
    workload = await startWorkload(buildWorkload(name), ['-duration', '5m', ...args])
    return new PerfStream({
      pid: workload.pid,
      frequencyHz: 99,
      syscalls: defaultSyscalls,
      bufferBytes: 4 << 20,
      rotateEveryMs: 3_600_000,
      signal: over.signal,
      note: (text) => notes.push(text),
      ...options,
    })
  }

  it('passes from one perf to the next without losing or doubling a record', async () => {
    const stream = await open('rpc', [], { rotateEveryMs: 1000 })
    const reading = read(stream)
    await eventually(() => stream.counts.rotations >= 3)
    over.abort()
    const seen = await reading
    assert.ok(stream.counts.rotations >= 3, `${stream.counts.rotations} rotations`)
    assert.deepEqual([stream.counts.restarts, stream.counts.failedStarts, seen.lost], [0, 0, 0])
    assert.deepEqual([...seen.problems], [])
    assert.deepEqual(seen.doubled, [])
    // A thread goes on a CPU and off it by turns: a lost or doubled switch breaks the order.
    assert.deepEqual(seen.outOfTurn, [])
    assert.ok(seen.switches > 1000, `${seen.switches} switches`)
    assert.deepEqual(notes, [])
  })

  it('gives a reader that begins in the middle of its text what it must know first', async () => {
    const stream = await open('rpc', [])
    const whole = new PerfScriptReader()
    const late = new PerfScriptReader()
    const listed = new Set<number>()
    let opening: Buffer | undefined
    let lateRecords = 0
    for await (const chunk of stream.text()) {
      whole.push(chunk)
      while (whole.next());
      if (opening === undefined && whole.consumedBytes > 200_000) {
        opening = await stream.openingText()
        late.push(opening)
      }
      if (opening === undefined) continue
      late.push(chunk)
      while (late.next()) {
        const { record } = late
        if (record.kind === PerfKind.Comm && !record.hasTime) listed.add(record.childTid)
        else lateRecords++
      }
      if (lateRecords > 500) break
    }
    assert.ok(late.header.clockId === 1 && late.header.reference !== undefined && late.header.events.length > 0)
    assert.deepEqual({ ...late.header, threads: undefined }, { ...whole.header, threads: undefined })
    assert.deepEqual([...late.problemCounts], [])
    const tids = (await readdir(`/proc/${workload!.pid}/task`)).map(Number)
    // Threads of Go are not given back to the system.
    assert.deepEqual(
      [...listed].filter((tid) => !tids.includes(tid)),
      [],
    )
    assert.ok(listed.has(workload!.pid) && listed.size > 2, [...listed].join(' '))
  })

  it('leaves no perf behind when nobody reads on, nor one that was just being started', async () => {
    for (const rotateEveryMs of [1000, 3_600_000]) {
      const stream = await open('rpc', [], { rotateEveryMs })
      for await (const chunk of stream.text()) {
        if (chunk.length > 0 && stream.counts.rotations >= (rotateEveryMs > 1000 ? 0 : 1)) break
      }
      while ((await perfsOfOurs()).length > 0) await sleep(20)
      await workload?.stop()
    }
  })

  it('leaves no perf behind when the second of two does not start', async () => {
    const gone = spawn('true')
    await once(gone, 'exit')
    const options = { pid: gone.pid!, comms: ['node', 'swapper/0', 'swapper/1'], frequencyHz: 99, syscalls: [] }
    const starting = startPerfRecorder(
      { ...options, bufferBytes: 4 << 20 },
      { main: '-', calls: '-', wakeups: '-', live: true },
    )
    await assert.rejects(starting)
    while ((await perfsOfOurs()).length > 0) await sleep(20)
  })

  for (const [name, place] of [
    ['switches', 0],
    ['system calls', 2],
  ] as const) {
    it(`starts again when the perf of the ${name} was killed, and marks the hole as lost`, async () => {
      const stream = await open('rpc', [])
      const reading = read(stream)
      await eventually(() => stream.pids.length > 0)
      // One that a fresh perf was about to replace, for threads that started meanwhile, is not started again.
      while (stream.counts.restarts === 0) {
        await sleep(500)
        const pids = stream.pids
        if (pids.length !== pidsOfOne) continue
        process.kill(pids[place]!, 'SIGKILL')
        await eventually(() => !stream.pids.includes(pids[place]!))
        await sleep(1500)
      }
      await sleep(1000)
      over.abort()
      const seen = await reading
      assert.ok(seen.lost > 0)
      assert.equal(stream.counts.lostEvents, seen.lost)
      assert.ok(seen.switchesAfterLoss > 0)
      assert.deepEqual([...seen.problems], [])
    })
  }

  it('records threads that start while perf attaches', async () => {
    const stream = await open('threads', ['-threads', '120', '-every', '5ms'])
    const reading = read(stream)
    await eventually(() => stream.pids.length > 0)
    await sleep(2500)
    const tids = (await readdir(`/proc/${workload!.pid}/task`)).map(Number)
    const ran = new Map<number, number>()
    for (const tid of tids) ran.set(tid, await switchesOf(workload!.pid, tid))
    await sleep(1500)
    const active: number[] = []
    for (const tid of tids) if ((await switchesOf(workload!.pid, tid)) > ran.get(tid)!) active.push(tid)
    over.abort()
    const { tids: recorded } = await reading
    assert.ok(active.length > 100, `${active.length} threads ran`)
    assert.deepEqual(
      active.filter((tid) => !recorded.has(tid)),
      [],
    )
  })

  it('attaches to a process with more threads than perf’s header of a stream has room for', async () => {
    const stream = await open('threads', ['-threads', '120', '-every', '1ms'])
    while ((await readdir(`/proc/${workload!.pid}/task`)).length < 120) await sleep(20)
    const reading = read(stream)
    await eventually(() => stream.pids.length > 0)
    await sleep(500)
    over.abort()
    const { switches, problems } = await reading
    assert.deepEqual([notes, [...problems], switches > 100], [[], [], true])
  })

  it('leaves out stacks, then system calls, when told to, and says so in the text', async () => {
    const stream = await open('rpc', [])
    const details: Detail[] = []
    const reading = read(stream, details)
    for (const detail of ['noStacks', 'noSyscalls'] as const) {
      await eventually(() => details.at(-1)!.switches > 0)
      stream.setDetail(detail)
      // Not the next rotation, which may have begun before, for new threads.
      await eventually(() => details.at(-1)!.detail === detail)
      await sleep(700)
    }
    await eventually(() => details.at(-1)!.switches > 0)
    over.abort()
    const { outOfTurn } = await reading
    assert.deepEqual(
      details.map(({ detail, stacks, syscalls, switches }) => [detail, stacks > 0, syscalls > 0, switches > 0]),
      [
        ['full', true, true, true],
        ['noStacks', false, true, true],
        ['noSyscalls', false, false, true],
      ],
    )
    assert.deepEqual(outOfTurn, [])
  })

  it('ends with the process', async () => {
    const stream = await open('rpc', [])
    workload!.process.once('exit', () => over.abort())
    const reading = read(stream)
    await eventually(() => stream.pids.length > 0)
    await sleep(500)
    await workload!.stop()
    const seen = await reading
    assert.ok(seen.switches > 0)
    assert.deepEqual([seen.lost, stream.counts.restarts], [0, 0])
    assert.deepEqual(stream.pids, [])
  })
})

interface Detail {
  readonly detail: string
  stacks: number
  syscalls: number
  switches: number
}

async function read(stream: PerfStream, details: Detail[] = []) {
  details.push({ detail: 'full', stacks: 0, syscalls: 0, switches: 0 })
  const reader = new PerfScriptReader()
  const seen = {
    problems: reader.problemCounts,
    switches: 0,
    lost: 0,
    switchesAfterLoss: 0,
    tids: new Set<number>(),
    doubled: [] as string[],
    outOfTurn: [] as string[],
    details,
  }
  /** Switch → where it stands in the text. */
  const known = new Map<string, number>()
  const onCpu = new Map<number, boolean>()
  /** A sample on one line is complete only when the next record comes: what is read first behind a comment may stand before it. */
  let isOfBefore = false
  let lastLine = ''
  const take = () => {
    const { record } = reader
    if (record.kind === PerfKind.Lost) seen.lost += record.lost
    const isSwitch = record.kind === PerfKind.SwitchIn || record.kind === PerfKind.SwitchOut
    const detail = seen.details.at(isOfBefore ? -2 : -1)!
    isOfBefore = false
    if (record.hasTime) seen.tids.add(record.tid)
    if (record.kind === PerfKind.Sample) {
      if (reader.stack(record.stackId).length > 1) detail.stacks++
      if (reader.syscallEvent !== undefined) detail.syscalls++
    }
    if (!isSwitch) return
    detail.switches++
    seen.switches++
    if (seen.lost > 0) seen.switchesAfterLoss++
    const key = `${record.tid} ${record.kind} ${record.timeNs}`
    const firstAt = known.get(key)
    if (firstAt !== undefined) seen.doubled.push(`${key}, at byte ${firstAt} and ${record.offsetBytes}`)
    known.set(key, record.offsetBytes)
    const isIn = record.kind === PerfKind.SwitchIn
    if (onCpu.get(record.tid) === isIn) seen.outOfTurn.push(key)
    onCpu.set(record.tid, isIn)
  }
  for await (const chunk of stream.text()) {
    const told = /^# dualtrace detail : (\w+)/m.exec(Buffer.from(chunk.subarray(0, 100)).toString('latin1'))?.[1]
    reader.push(chunk)
    while (reader.next()) take()
    if (told === undefined) lastLine = Buffer.from(chunk).toString('latin1').split('\n').at(-2) ?? ''
    else {
      seen.details.push({ detail: told, stacks: 0, syscalls: 0, switches: 0 })
      isOfBefore = lastLine !== '' && !lastLine.includes('PERF_RECORD_')
    }
  }
  reader.end()
  while (reader.next()) take()
  return seen
}

/** Children of this process that are perf, or become it. */
async function perfsOfOurs(): Promise<string[]> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')
  const commands = children.split(' ').map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
  return (await Promise.all(commands)).filter((command) => command.split('\0').includes('perf'))
}

/** How often the kernel has switched a thread; 0 when it is gone. */
async function switchesOf(pid: number, tid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/task/${tid}/status`, 'utf8').catch(() => '')
  return Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)?.[1] ?? 0)
}

async function eventually(holds: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`it did not happen within 60 s: ${String(holds)}`)
    await sleep(20)
  }
}
