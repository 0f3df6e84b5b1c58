import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import { analyzedRows, analyzedWithCheckpoints, rowsOf } from '../measures/support.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { runTimeline } from '../support/timeline.js'

const service = 99
const child = 500

interface Line {
  readonly pid: number
  readonly tid: number
  readonly ms: number
  readonly text: string
}

const call = (pid: number, tid: number, ms: number, name: string): Line[] => [
  { pid, tid, ms, text: `1 syscalls:sys_enter_${name}: ` },
  { pid, tid, ms: ms + 0.1, text: `1 syscalls:sys_exit_${name}: 0x1` },
]
const off = (pid: number, tid: number, ms: number, state: string): Line => ({
  ...{ pid, tid, ms },
  text: `1 sched:sched_switch: prev_comm=x prev_pid=${tid} prev_prio=120 prev_state=${state} ==> next_comm=y next_pid=900 next_prio=120`,
})
const on = (pid: number, tid: number, ms: number): Line => ({ pid, tid, ms, text: 'PERF_RECORD_SWITCH IN' })

/** perf's text; `listed`: threads that it begins with, [pid, tid]. */
function perfText(lines: readonly Line[], listed: readonly (readonly [number, number])[] = []): Buffer {
  const sorted = [...lines].sort((a, b) => a.ms - b.ms)
  const records = sorted.map((line) => {
    const ns = Math.round(line.ms * 1e6)
    return `x ${line.pid}/${line.tid} ${startSeconds}.${String(ns).padStart(9, '0')}: ${line.text}`
  })
  const list = listed.map(([pid, tid]) => `x 0/0 [000] 0.000000000: PERF_RECORD_COMM: x:${pid}/${tid}`)
  return Buffer.from(['# arch : x86_64', '# clockid: monotonic (1)', ...list, ...records, ''].join('\n'))
}

/** One goroutine on thread 101 polls the network from 20 ms on; another one waits for it until 60 ms. Of thread 102 Go never speaks. */
function trace(): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  const stack = w.stack('internal/poll.runtime_pollWait', 'main.serve')
  w.event(101, 10e6, Ev.ProcStatus, 0, 1)
  w.event(101, 10e6 + 1, Ev.GoStatus, 1, 101, 2)
  w.event(101, 20e6, Ev.GoBlock, w.string('network'), stack)
  w.event(101, 60.2e6, Ev.GoUnblock, 1, 1, 0)
  w.event(101, 60.3e6, Ev.GoStart, 1, 2)
  w.event(101, 90e6, Ev.GoStop, w.string('preempted'), stack)
  return w.bytes()
}

/** What both processes do: the child polls at 58 ms, reads, and is preempted for 30 ms; thread 102 of the service, which runs C code, writes. */
const lines: readonly Line[] = [
  on(service, 101, 5),
  on(service, 102, 5.1),
  on(child, child, 6),
  ...call(service, 101, 30, 'epoll_pwait'),
  ...call(service, 102, 31, 'write'),
  ...[40, 41, 42].flatMap((ms) => call(child, child, ms, 'read')),
  off(child, child, 43, 'R'),
  on(child, child, 73),
  ...call(child, child + 1, 58, 'epoll_pwait'),
  ...call(service, 101, 60, 'epoll_pwait'),
  off(service, 102, 70, 'R'),
  on(service, 102, 75),
  // Threads that have ended have no id.
  { pid: service, tid: -1, ms: 76, text: '1 syscalls:sys_exit_read: 0x1' },
  { pid: -1, tid: -1, ms: 77, text: 'PERF_RECORD_SWITCH IN' },
  off(-1, -1, 78, 'X'),
  { pid: 0, tid: 0, ms: 79, text: '1 cpu-clock: ' },
]

type Rows = ReturnType<typeof analyzedRows>
const counts = (rows: Rows): unknown =>
  Object.fromEntries(rowsOf(rows, 'syscalls').map((row) => [row['name'], row['count']]))
const waited = (rows: Rows) => rowsOf(rows, 'run_queue').map((row) => [row['tid'], row['wait_ns']])

describe('threads of other processes in perf’s text', () => {
  const streams = { gotrace: trace(), perf: perfText(lines) }

  it('are not counted, and threads of the service that run no Go are', () => {
    const rows = analyzedRows(streams)
    assert.deepEqual(counts(rows), { epoll_pwait: 2, write: 1 })
    assert.deepEqual(waited(rows), [[102, 5e6]])
    const samples = rowsOf(rows, 'samples').filter((row) => row['kind'] === 'off_cpu')
    assert.equal(
      samples.reduce((sum, row) => sum + (row['ns'] as number), 0),
      5e6,
    )
  })

  it('do not poll for the service', () => {
    const polls: number[] = []
    runTimeline(streams.gotrace, streams.perf, {
      netpollDelay: ({ ready }) => void polls.push(ready.previousPollNs, ready.pollNs),
    })
    assert.deepEqual(polls, [30.1e6, 60.1e6])
  })

  it('are known from the threads that perf begins with, before Go has spoken of any', () => {
    const early = [...call(child, child, 1, 'read'), ...call(service, 102, 2, 'write'), ...lines]
    const listed = [[child, child], [service, 99], [service, 101]] as const // prettier-ignore
    assert.deepEqual(counts(analyzedRows({ gotrace: trace(), perf: perfText(early, listed) })), {
      epoll_pwait: 2,
      write: 2,
    })
  })

  it('are told of nobody while it is not known which of several processes is the service', () => {
    const early = [...call(child, child, 1, 'read'), ...call(700, 700, 2, 'read'), ...lines]
    const listed = [[child, child], [700, 700]] as const // prettier-ignore
    assert.deepEqual(counts(analyzedRows({ gotrace: trace(), perf: perfText(early, listed) })), {
      epoll_pwait: 2,
      write: 1,
    })
  })

  it('count like all others when there is no Go trace, unless perf began with one process', () => {
    const all = { epoll_pwait: 3, read: 3, write: 1 }
    assert.deepEqual(counts(analyzedRows({ perf: perfText(lines) })), all)
    const several = [[child, child], [service, 101]] as const // prettier-ignore
    assert.deepEqual(counts(analyzedRows({ perf: perfText(lines, several) })), all)
    const one = [[service, 99], [service, 101]] as const // prettier-ignore
    assert.deepEqual(counts(analyzedRows({ perf: perfText(lines, one) })), { epoll_pwait: 2, write: 1 })
  })

  it('count where perf’s text names no processes', () => {
    const text = perfText(lines)
      .toString()
      .replaceAll(/^x (-?\d+)\/(-?\d+)/gm, 'x $2')
    assert.deepEqual(counts(analyzedRows({ gotrace: trace(), perf: Buffer.from(text) })), {
      epoll_pwait: 3,
      read: 3,
      write: 1,
    })
  })

  it('are the same for threads of a pid namespace, which Go knows by other ids', () => {
    const inside = perfText(lines)
      .toString()
      .replaceAll('/101 ', '/2101 ')
      .replaceAll('prev_pid=101 ', 'prev_pid=2101 ')
    const told = inside.replace('# clockid', '# dualtrace thread : 2101 101\n# clockid')
    assert.deepEqual(counts(analyzedRows({ gotrace: trace(), perf: Buffer.from(told) })), { epoll_pwait: 2, write: 1 })
  })

  it('are the same after a checkpoint, wherever it was taken', () => {
    const generations = [trace(), ...[2, 3].map((gen) => generation(gen))]
    const both = { gotrace: Buffer.concat(generations), perf: streams.perf }
    const { rows, checkpoints } = analyzedWithCheckpoints(both, undefined, 100)
    assert.ok(checkpoints.length > 1)
    // What was written after the checkpoint is written again, the same: the store keeps one.
    const lines = (all: Rows) =>
      new Set(all.filter(({ table }) => table !== 'pipeline_health').map((row) => JSON.stringify(row)))
    for (const { saved, rowsBefore } of checkpoints)
      assert.deepEqual(lines([...rowsBefore, ...analyzedRows(both, saved)]), lines(rows))
  })
})

/** Something that happens in a later generation. */
function generation(gen: number): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9 + gen * 30e6, wallSeconds + gen * 0.03, gen)
  w.event(101, 10, Ev.ProcStatus, 0, 1)
  w.event(101, 11, Ev.GoStatus, 1, 101, 2)
  return w.bytes()
}
