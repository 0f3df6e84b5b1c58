import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { PerfMarks } from '../../src/analysis/clockMarks.js'
import type { OutRow } from '../../src/measures/measure.js'
import type { Row } from '../../src/measures/table.js'
import { perfCallsArgs } from '../../src/perf/command.js'
import { perfScriptArgs, PerfScriptReader, syscallEventOf } from '../../src/perf/index.js'
import { syscallName } from '../../src/perf/syscallNames.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { analyzedRows, rowsOf } from '../measures/support.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload, startWorkload, type WorkloadName } from '../support/workloads.js'

const capture = 'test/captures/stw-netpoll'
const maxBuffer = 1 << 30

/** asm/unistd_64.h, of the calls of the capture. */
const numbers: Readonly<Record<string, number>> = {
  read: 0,
  write: 1,
  nanosleep: 35,
  connect: 42,
  sendto: 44,
  recvfrom: 45,
  fsync: 74,
  futex: 202,
  openat: 257,
  epoll_pwait: 281,
  accept4: 288,
}

function ofNumber(line: string): string {
  return line
    .replace(/syscalls:sys_exit_(\w+): 0x(\w+)/, (_all, name: string, hex: string) => {
      return `raw_syscalls:sys_exit: NR ${numbers[name]!} = ${BigInt.asIntN(64, BigInt(`0x${hex}`))}`
    })
    .replace(/syscalls:sys_enter_(\w+):(.*)/, (_all, name: string, args: string) => {
      const values = args.split(',').map((arg) => arg.replace(/^.*0x0*(?=\w)/, ''))
      return `raw_syscalls:sys_enter: NR ${numbers[name]!} (${values.join(', ')})`
    })
    .replace(/name = syscalls:sys_(enter|exit)_\w+/, 'name = raw_syscalls:sys_$1')
}

/** perf's text of the capture with events of each call's own, with numbers instead, and with both. */
function texts(): Record<'own' | 'raw' | 'both', Buffer> {
  const lines = gunzipSync(readFileSync(join(capture, 'perf.script.gz')))
    .toString()
    .split('\n')
  const raw = lines.map(ofNumber)
  const both = lines.flatMap((line, i) => (line === raw[i] ? [line] : [raw[i]!, line]))
  return {
    own: Buffer.from(lines.join('\n')),
    raw: Buffer.from(raw.join('\n')),
    both: Buffer.from(both.join('\n')),
  }
}

/** The rows that are about what happened, and not about how much was recorded of it. */
function told(rows: readonly OutRow[]): OutRow[] {
  return rows.filter(({ table }) => table !== 'pipeline_health')
}

describe('system calls recorded as raw_syscalls', () => {
  it('give the rows that events of their own give, alone or beside those', () => {
    const gotrace = readFileSync(join(capture, 'go.trace'))
    const { own, raw, both } = texts()
    const expected = told(analyzedRows({ gotrace, perf: own }))
    assert.ok(rowsOf(expected, 'netpoll_spikes').length > 0 && rowsOf(expected, 'syscall_wakeups').length > 0)
    for (const name of ['syscalls', 'clock_fits', 'netpoll_delays']) assert.ok(rowsOf(expected, name).length > 0, name)
    assert.deepEqual(told(analyzedRows({ gotrace, perf: raw })), expected)
    assert.deepEqual(told(analyzedRows({ gotrace, perf: both })), expected)
  })

  it('give the marks that clocks are fitted by, alone or beside events of their own', () => {
    const { own, raw, both } = texts()
    const [expected, ...others] = [own, raw, both].map((text) => {
      const perf = new PerfMarks()
      perf.push(text)
      perf.end()
      const { size, times, lanes } = perf.marks
      return { size, times: times.slice(0, size), lanes: lanes.slice(0, size) }
    })
    assert.ok(expected!.size > 10_000)
    for (const other of others) assert.deepEqual(other, expected)
  })

  it('are counted once from the first raw one on when no header says that both were recorded', () => {
    const call = (ms: number) => [
      `svc 9/9 [000] 5.00${ms}000000: 1 raw_syscalls:sys_enter: NR 0 (3, 0, 0, 0, 0, 0)`,
      `svc 9/9 [000] 5.00${ms}000001: 1 syscalls:sys_enter_read: fd: 0x00000003, buf: 0x0, count: 0x0`,
      `svc 9/9 [000] 5.00${ms}100000: 1 raw_syscalls:sys_exit: NR 0 = 0`,
      `svc 9/9 [000] 5.00${ms}100001: 1 syscalls:sys_exit_read: 0x0`,
    ]
    const perf = Buffer.from(['# arch : x86_64', ...call(1), ...call(2), ''].join('\n'))
    assert.deepEqual(
      rowsOf(analyzedRows({ perf }), 'syscalls').map((row) => [row['name'], row['count'], row['unpaired']]),
      [['read', 2, 0]],
    )
  })
})

describe('a service recorded with raw_syscalls:sys_exit', function () {
  const directory = temporaryDirectory()

  before(function () {
    requireGo(this)
    requirePerf(this)
  })

  /** What was recorded of a service, as one text, and its Go trace. */
  async function recorded(name: WorkloadName, eventArgs: readonly string[]) {
    const data = join(directory, 'perf.data')
    const workload = await startWorkload(buildWorkload(name), ['-duration', '5m'])
    let gotrace: Uint8Array
    try {
      const args = ['record', '-q', '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', '32M', '--switch-events', '-o', data]
      const perf = spawn('perf', [...args, ...eventArgs, '-p', `${workload.pid}`])
      const response = await fetch(new URL('trace?seconds=2', workload.pprof))
      assert.ok(response.ok)
      gotrace = new Uint8Array(await response.arrayBuffer())
      const ended = once(perf, 'close')
      perf.kill('SIGINT')
      await ended
    } finally {
      await workload.stop()
    }
    const text = execFileSync('perf', perfScriptArgs(data), { maxBuffer, stdio: ['ignore', 'pipe', 'ignore'] })
    assert.ok(!text.includes('PERF_RECORD_LOST'), 'perf has lost records')
    return { gotrace, text }
  }

  it('has the netpoll delays and the check of the clocks that sys_exit_epoll_pwait gives', async () => {
    const events = ['raw_syscalls:sys_exit', 'syscalls:sys_exit_epoll_pwait', 'sched:sched_switch']
    const { gotrace, text } = await recorded(
      'netpoll',
      events.flatMap((event) => ['-e', event]),
    )
    const lines = text.toString().split('\n')
    const without = (event: RegExp) => Buffer.from(lines.filter((line) => !event.test(line)).join('\n'))
    const texts = {
      both: text,
      raw: without(/syscalls:sys_exit_epoll_pwait\b/),
      own: without(/raw_syscalls:sys_exit\b/),
    }
    const rows = Object.values(texts).map((perf) => analyzedRows({ gotrace, perf }))
    const [both, raw, own] = rows.map((all) =>
      ['clock_fits', 'netpoll_delays', 'netpoll_spikes'].map((t) => rowsOf(all, t)),
    )
    assert.ok(raw![0]!.some((row) => row['method'] === 'monotonic' && Number(row['pairs']) > 0))
    assert.ok(raw![1]!.some((row) => row['poll_to_ready_p50_ns'] !== null))
    assert.deepEqual(both, raw)
    // The two events of one return are some hundred ns apart.
    const counts = (tables: readonly (readonly Row[])[]) =>
      tables.map((table) => table.map((row) => ['count', 'pairs', 'unmatched', 'goroutine'].map((name) => row[name])))
    assert.deepEqual(counts(raw!), counts(own!))
  })

  it('has the calls that were wanted, as events of their own tell them, and no others', async () => {
    const args = (syscallNumbers?: readonly number[]) =>
      perfCallsArgs({ pid: 0, output: '', bufferBytes: 0, syscalls: wanted, syscallNumbers, wakeupsElsewhere: [] })
    const wanted = ['read', 'write', 'futex', 'epoll_pwait', 'nanosleep']
    const eventArgs = (args: readonly string[]) => args.slice(args.indexOf('dummy:u') + 1)
    const { text } = await recorded('netpoll', [
      ...eventArgs(args(wanted.map((name) => numbers[name]!))),
      ...eventArgs(args()).slice(0, -2),
    ])
    const { raw, own } = callsByThread(text)
    for (const half of ['enter', 'exit'])
      for (const name of ['futex', 'epoll_pwait'])
        assert.ok(raw.flat().some((call) => call.startsWith(`${half} ${name} `)))
    assert.deepEqual(raw, own)
  })
})

/** Events are switched on one after the other, and off: on a busy machine with pauses in between. */
const settledNs = 500e6

/** What each thread called, told once by numbers and once by events of each call's own, which follow at once. */
function callsByThread(text: Uint8Array) {
  const lastNs = lastTimeNs(text)
  const reader = readerOf(text)
  const threads = new Map<number, { raw: string[]; own: string[]; isOwnNext: boolean }>()
  let firstNs = -1
  while (reader.next()) {
    const { record } = reader
    const event = syscallEventOf(reader.eventName(record.eventId))
    if (event === undefined) continue
    if (firstNs < 0) firstNs = record.timeNs
    if (record.timeNs - firstNs < settledNs || lastNs - record.timeNs < settledNs) continue
    const { half } = event
    const isOwn = event.name !== undefined
    let calls = threads.get(record.tid)
    // From the first that both tell.
    if (calls === undefined && isOwn) continue
    if (calls === undefined) threads.set(record.tid, (calls = { raw: [], own: [], isOwnNext: false }))
    assert.equal(isOwn, calls.isOwnNext, `${record.tid} at ${record.timeNs}`)
    calls.isOwnNext = !isOwn
    const called = event.name ?? syscallName('x86_64', record.syscallNumber())
    calls[isOwn ? 'own' : 'raw'].push(`${half} ${called} ${half === 'exit' ? record.syscallReturn() : ''}`)
  }
  // The recording may have ended between the two.
  for (const { raw, own } of threads.values()) raw.length = own.length
  const all = [...threads.values()]
  return { raw: all.map(({ raw }) => raw), own: all.map(({ own }) => own) }
}

function lastTimeNs(text: Uint8Array): number {
  const reader = readerOf(text)
  let lastNs = 0
  while (reader.next()) if (reader.record.hasTime) lastNs = reader.record.timeNs
  return lastNs
}

function readerOf(text: Uint8Array): PerfScriptReader {
  const reader = new PerfScriptReader()
  reader.push(text)
  reader.end()
  return reader
}
