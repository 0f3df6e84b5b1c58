import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import type { Row } from '../../src/measures/table.js'
import { analyzedRows, analyzedWithCheckpoints, rowsOf } from '../measures/support.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'

const running = 2

interface Task {
  readonly type: string
  readonly beginMs: number
  readonly ms: number
}

/**
 * One generation, from `fromMs` on: goroutine 1 does one task after the other, and in each waits for the network from 1 ms after its begin until 1 ms
 * before its end.
 */
function traceOf(tasks: readonly Task[], gen = 1, fromMs = 0): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9 + fromMs * 1e6, wallSeconds + fromMs / 1e3, gen)
  const event = (tid: number, ms: number, type: number, ...args: number[]) =>
    w.event(tid, Math.round((ms - fromMs) * 1e6), type, ...args)
  const stack = w.stack('net.(*conn).Read', 'example.com/db.(*Conn).Query', 'main.serve')
  event(100, fromMs + 0.001, Ev.ProcStatus, 0, 1)
  event(100, fromMs + 0.002, Ev.GoStatus, 1, 100, running)
  event(101, fromMs + 0.003, Ev.ProcStatus, 1, 1)
  event(101, fromMs + 0.004, Ev.GoStatus, 2, 101, running)
  let sequence = 0
  for (const [i, { type, beginMs, ms }] of tasks.entries()) {
    const id = gen * 1000 + i
    event(100, beginMs, Ev.UserTaskBegin, id, 0, w.string(type), 0)
    event(100, beginMs + 0.1, Ev.UserLog, id, w.string('request-id'), w.string(`r${id}`), 0)
    event(100, beginMs + 1, Ev.GoBlock, w.string('network'), stack)
    event(101, beginMs + ms - 1, Ev.GoUnblock, 1, ++sequence, 0)
    event(100, beginMs + ms - 1, Ev.GoStart, 1, ++sequence)
    event(100, beginMs + ms, Ev.UserTaskEnd, id, 0)
  }
  const { beginMs, ms } = tasks.at(-1)!
  event(101, beginMs + ms + 1, Ev.UserLog, 0, w.string('note'), w.string('the end'), 0)
  return w.bytes()
}

/** So many tasks of one length, back to back. */
function many(type: string, count: number, beginMs: number, ms: number): Task[] {
  return Array.from({ length: count }, (_, i) => ({ type, beginMs: beginMs + i * (ms + 1), ms }))
}

function findings(tasks: readonly Task[]): Row[] {
  return rowsOf(analyzedRows({ gotrace: traceOf(tasks) }), 'findings')
}

describe('slow tasks', () => {
  const usual = many('get', 40, 10, 4)
  const slow = [
    { type: 'get', beginMs: 1100, ms: 250 },
    { type: 'get', beginMs: 1400, ms: 312 },
  ]

  it('are told with what is usual, where their time went, and who waited where', () => {
    const rows = findings([...usual, ...slow])
    assert.equal(rows.length, 1, JSON.stringify(rows))
    const [row] = rows
    assert.deepEqual([row!['detector'], row!['severity']], ['slow_tasks', 'warning'])
    assert.equal(
      row!['title'],
      'get took 312 ms, usually 4.00 ms: 310 ms waiting for the network (2 tasks in this second)',
    )
    const evidence = JSON.parse(row!['evidence'] as string) as {
      go: string[]
      next: string
      facts: Record<string, unknown>
    }
    assert.deepEqual(evidence.go, [
      'task 1041 (r1041): 310 ms waiting for the network, 2.00 ms of which nothing is known',
      'goroutine 1 (main.serve) was 310 ms waiting for the network at db.(*Conn).Query < main.serve',
    ])
    assert.match(evidence.next, /^the peer behind that client answered late.*--task-id r1041 /)
    assert.deepEqual(
      [evidence.facts['class'], evidence.facts['class_ns'], evidence.facts['usual_ns'], evidence.facts['max_ns']],
      ['net_wait', 310e6, 4e6, 312e6],
    )
    const atNs = (ms: number) => String(BigInt(wallSeconds) * 1_000_000_000n + BigInt(ms * 1e6))
    assert.deepEqual([row!['from'], row!['to']], [atNs(1400), atNs(1712)])
  })

  it('are none where tasks of that type always take so long, or too few are known', () => {
    const polls = [...many('poll', 25, 10, 250), { type: 'poll', beginMs: 7000, ms: 900 }]
    assert.deepEqual(findings(polls), [])
    assert.deepEqual(findings([...usual.slice(0, 19), ...slow]), [])
    assert.deepEqual(findings([...usual, { type: 'get', beginMs: 1100, ms: 199 }]), [])
    const other = { type: 'put', beginMs: 1100, ms: 500 }
    assert.deepEqual(findings([...usual, other]), [])
  })

  it('are found by what was usual before a checkpoint', () => {
    const gotrace = Buffer.concat([traceOf(usual), traceOf(slow, 2, 1050)])
    const { rows, checkpoints } = analyzedWithCheckpoints({ gotrace }, undefined, 500)
    const found = rowsOf(rows, 'findings')
    assert.equal(found.length, 1, JSON.stringify(found))
    const between = checkpoints.filter(
      ({ saved: { position } }) => position.gotrace > 0 && position.gotrace < gotrace.length,
    )
    assert.ok(between.length > 0)
    for (const { saved } of between) assert.deepEqual(rowsOf(analyzedRows({ gotrace }, saved), 'findings'), found)
  })
})
