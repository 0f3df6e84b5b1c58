import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { PerfWriter } from '../support/perfWriter.js'
import { runTimeline } from '../support/timeline.js'

const startSeconds = 1000
const waiter = 5
const waiting = 4
const [p, running] = [0, 1]

/** Goroutine 5 waits for the network and is made runnable by the scheduler, on thread 20, after what `before` has perf say of it; ms. */
function toldOf(before: (perf: PerfWriter) => void, holdsP = true): { polls: number[]; residuals: number[] } {
  const go = new GoTraceWriter(startSeconds * 1e9, 1_700_000_000)
  const stack = go.stack('internal/poll.runtime_pollWait', 'net.(*conn).Read', 'main.serve')
  if (holdsP) go.event(20, 1e6, Ev.ProcStatus, p, running)
  go.event(20, 10e6, Ev.GoStatusStack, waiter, 0, waiting, stack)
  go.event(20, 10.1e6, Ev.GoUnblock, waiter, 1, 0)
  if (!holdsP) go.event(20, 10.15e6, Ev.ProcStatus, p, 2)
  if (!holdsP) go.event(20, 10.16e6, Ev.ProcStart, p, 1)
  go.event(20, 10.2e6, Ev.GoStart, waiter, 2)
  const perf = new PerfWriter(startSeconds)
  perf.into(20, 0.5)
  perf.into(21, 0.5)
  perf.exit(21, 0.6, 'epoll_pwait', 0)
  before(perf)
  perf.sample(20, 11)
  const told = { polls: [] as number[], residuals: [] as number[] }
  runTimeline(go.bytes(), perf.bytes(), {
    netpollDelay: ({ ready }) => told.polls.push(ready.pollNs),
    clockPair: (_atNs, residualNs) => told.residuals.push(residualNs),
  })
  return told
}

describe('a goroutine that waited for the network and is made runnable by the scheduler', () => {
  it('was ready when the thread’s epoll_pwait has just reported something', () => {
    assert.deepEqual(
      toldOf((perf) => perf.exit(20, 9, 'epoll_pwait', 1)),
      { polls: [9e6], residuals: [1.1e6] },
    )
  })

  it('has a deadline that expired when the thread’s epoll_pwait reported nothing, or something before that', () => {
    const deadline = { polls: [], residuals: [NaN] }
    assert.deepEqual(
      toldOf((perf) => perf.exit(20, 9, 'epoll_pwait', 0)),
      deadline,
    )
    const both = toldOf((perf) => {
      perf.exit(20, 8, 'epoll_pwait', 1)
      perf.exit(20, 9, 'epoll_pwait', 0)
    })
    assert.deepEqual(both, deadline)
  })

  it('was ready, and since when is not known, when perf has not told yet that it records what the thread polls', () => {
    assert.deepEqual(
      toldOf(() => undefined),
      { polls: [NaN], residuals: [NaN] },
    )
    const lost = toldOf((perf) => {
      perf.exit(20, 8, 'epoll_pwait', 0)
      perf.add(20, 9, 'PERF_RECORD_LOST lost 7')
    })
    assert.deepEqual(lost, { polls: [NaN], residuals: [NaN] })
  })

  it('was ready when the thread has no P: timers need one', () => {
    const { polls } = toldOf((perf) => perf.exit(20, 9, 'epoll_pwait', 0), false)
    assert.deepEqual(polls, [NaN])
  })
})
