import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ev } from '../../src/gotrace/index.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { PerfWriter } from '../support/perfWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { analyzedRows, rowsOf } from './support.js'

interface Step {
  readonly goroutine: number
  readonly function: string
  readonly waited_ns: number
  readonly class: string | null
  readonly stack_id: string | null
  readonly took_ns: number
  readonly woken_by: string | null
  readonly woken_at: string | null
}

/** One thread; times are ms. Who waits since when is written as who blocks in which order. */
function trace(
  write: (at: (ms: number, type: number, ...args: number[]) => void, w: GoTraceWriter) => void,
): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  write((ms, type, ...args) => w.event(100, ms * 1e6, type, ...args), w)
  return w.bytes()
}

const waiting = 4

describe('wake chains', () => {
  it('follow a wait from goroutine to goroutine to the network', () => {
    const rows = analyzedRows({
      gotrace: trace((at, w) => {
        const stack = (name: string) => w.stack('runtime.chanrecv1', name)
        at(0.01, Ev.ProcStatus, 0, 1)
        at(0.02, Ev.GoStatus, 1, 100, 2)
        at(1, Ev.GoCreate, 2, w.stack('main.middle'), stack('main.main'))
        at(2, Ev.GoCreate, 3, w.stack('main.reader'), stack('main.main'))
        at(3, Ev.GoBlock, w.string('chan receive'), stack('main.main'))
        at(4, Ev.GoStart, 2, 1)
        at(5, Ev.GoBlock, w.string('sync'), stack('main.middle'))
        at(6, Ev.GoStart, 3, 1)
        at(7, Ev.GoBlock, w.string('network'), stack('main.reader'))
        at(80, Ev.GoUnblock, 3, 2, 0)
        at(82, Ev.GoStart, 3, 3)
        at(85, Ev.GoUnblock, 2, 2, stack('main.handOver'))
        at(86, Ev.GoDestroy)
        at(87, Ev.GoStart, 2, 3)
        at(90, Ev.GoUnblock, 1, 1, stack('main.middle'))
        at(91, Ev.GoDestroy)
        at(92, Ev.GoStart, 1, 2)
        at(93, Ev.GoDestroy)
      }),
    })
    const chains = rowsOf(rows, 'wake_chains')
    const [first, second] = chains
    assert.equal(chains.length, 2)
    assert.deepEqual([first?.['goroutine'], first?.['waited_ns'], first?.['class']], [1, 87e6, 'sync_wait'])
    assert.equal(BigInt(first!.ts) - BigInt(wallSeconds) * 1_000_000_000n, 90_000_000n)
    const frames = new Map(rowsOf(rows, 'stacks').map((row) => [row['stack_id'], row['frames']]))
    const steps = (JSON.parse(first!['chain'] as string) as Step[]).map((step) => [
      step.goroutine,
      step.function,
      step.class,
      step.waited_ns / 1e6,
      step.took_ns / 1e6,
      step.woken_by,
      frames.get(step.stack_id),
      frames.get(step.woken_at),
    ])
    assert.deepEqual(steps, [
      [1, 'main.main', 'sync_wait', 87, 0, 'goroutine', 'main.main;runtime.chanrecv1', 'main.middle;runtime.chanrecv1'],
      [
        2,
        'main.middle',
        'sync_wait',
        80,
        5,
        'goroutine',
        'main.middle;runtime.chanrecv1',
        'main.handOver;runtime.chanrecv1',
      ],
      [3, 'main.reader', 'net_wait', 73, 5, 'network', 'main.reader;runtime.chanrecv1', undefined],
    ])
    assert.deepEqual([second?.['goroutine'], second?.['waited_ns']], [2, 80e6])
  })

  it('tell a deadline that expired from the network where perf shows that the poller had nothing to report', () => {
    const gotrace = trace((at, w) => {
      const stack = w.stack('internal/poll.runtime_pollWait', 'main.read')
      at(0.01, Ev.ProcStatus, 0, 1)
      at(0.02, Ev.GoStatus, 1, 100, 2)
      at(1, Ev.GoCreate, 2, w.stack('main.reader'), stack)
      at(2, Ev.GoBlock, w.string('chan receive'), stack)
      at(3, Ev.GoStart, 2, 1)
      at(4, Ev.GoBlock, w.string('network'), stack)
      at(80, Ev.GoUnblock, 2, 2, 0)
      at(82, Ev.GoStart, 2, 3)
      at(85, Ev.GoUnblock, 1, 1, stack)
      at(86, Ev.GoDestroy)
      at(87, Ev.GoStart, 1, 2)
      at(88, Ev.GoDestroy)
    })
    const wokenBy = (perf?: Uint8Array) => {
      const [row] = rowsOf(analyzedRows({ gotrace, ...(perf && { perf }) }), 'wake_chains')
      return (JSON.parse(row!['chain'] as string) as Step[]).map((step) => step.woken_by)
    }
    /** The thread's epoll_pwait returns 1 ms before the reader is made runnable. */
    const polled = (reported: number) => {
      const perf = new PerfWriter(startSeconds)
      perf.into(100, 0.001)
      perf.exit(100, 79, 'epoll_pwait', reported)
      perf.sample(100, 90)
      return perf.bytes()
    }
    assert.deepEqual(wokenBy(polled(0)), ['goroutine', 'deadline'])
    assert.deepEqual(wokenBy(polled(1)), ['goroutine', 'network'])
    assert.deepEqual(wokenBy(), ['goroutine', 'network'], 'the trace alone does not tell')
  })

  it('are not told of short waits, of waits that a timer ended, and of the runtime’s own goroutines', () => {
    const bytes = trace((at, w) => {
      const stack = w.stack('runtime.chanrecv1', 'main.wait')
      at(0.01, Ev.ProcStatus, 0, 1)
      at(0.02, Ev.GoStatus, 1, 100, 2)
      at(0.03, Ev.GoStatusStack, 2, 0, waiting, stack)
      at(0.04, Ev.GoStatusStack, 3, 0, waiting, w.stack('runtime.gopark', 'runtime.bgsweep'))
      at(0.05, Ev.GoStatusStack, 4, 0, waiting, stack)
      at(30, Ev.GoUnblock, 2, 1, stack)
      at(60, Ev.GoUnblock, 3, 1, stack)
      at(61, Ev.GoStop, w.string('preempted'), stack)
      at(70, Ev.GoUnblock, 4, 1, 0)
      at(71, Ev.GoStart, 1, 1)
      at(72, Ev.GoDestroy)
    })
    assert.deepEqual(rowsOf(analyzedRows({ gotrace: bytes }), 'wake_chains'), [])
  })

  it('are at most twenty a second: those of the longest waits', () => {
    const bytes = trace((at, w) => {
      const stack = w.stack('runtime.chanrecv1', 'main.wait')
      at(0.01, Ev.ProcStatus, 0, 1)
      at(0.02, Ev.GoStatus, 1, 100, 2)
      for (let goid = 2; goid < 27; goid++) at(0.02 + goid / 1000, Ev.GoStatusStack, goid, 0, waiting, stack)
      for (let goid = 2; goid < 27; goid++) at(100 + goid, Ev.GoUnblock, goid, 1, stack)
      at(200, Ev.GoDestroy)
    })
    const goids = rowsOf(analyzedRows({ gotrace: bytes }), 'wake_chains').map((row) => row['goroutine'])
    assert.deepEqual(
      goids,
      Array.from({ length: 20 }, (_, i) => 26 - i),
    )
  })

  it('show on a real capture that a wait for bursts of work was a wait for their turn on a P', () => {
    const rows = analyzedRows({ gotrace: readFileSync('test/captures/stw-netpoll/go.trace') })
    const chains = rowsOf(rows, 'wake_chains').map((row) => JSON.parse(row['chain'] as string) as Step[])
    const ofMain = chains.filter(
      ([waiter, by]) => waiter?.function === 'main.main' && by?.function.endsWith('induce.burn'),
    )
    assert.ok(ofMain.length >= 3, JSON.stringify(chains))
    assert.ok(ofMain.every(([, by]) => by?.class === 'sched_wait' && by.woken_by === 'scheduler'))
  })
})
