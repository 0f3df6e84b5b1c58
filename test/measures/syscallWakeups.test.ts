import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import type { Row } from '../../src/measures/table.js'
import { wakeVerdicts } from '../../src/measures/wakeVerdicts.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { PerfWriter } from '../support/perfWriter.js'
import { analyzedRows, rowsOf } from './support.js'

const running = 2

interface Scenario {
  /** Threads and their records, ms. */
  readonly perf: (p: PerfWriter) => void
  /** What happens to goroutine 1 from 10 ms on. */
  readonly go: (t: (tid: number, ms: number, type: number, ...args: number[]) => void, w: GoTraceWriter) => void
}

/** 150 ms of two Ps: goroutine 2 keeps P 1 busy on thread 101, goroutine 1 leaves thread 100 at 10 ms. */
function run({ perf, go }: Scenario): Row[] {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  const t = (tid: number, ms: number, type: number, ...args: number[]) =>
    w.event(tid, Math.round(ms * 1e6), type, ...args)
  t(100, 0.001, Ev.ProcStatus, 0, 1)
  t(100, 0.002, Ev.GoStatus, 1, 100, running)
  t(101, 0.003, Ev.ProcStatus, 1, 1)
  t(101, 0.004, Ev.GoStatus, 2, 101, running)
  go(t, w)
  t(101, 150, Ev.GoStop, w.string('preempted'), 0)
  const p = new PerfWriter(startSeconds)
  for (const tid of [100, 101, 102, 105]) p.into(tid, -1)
  perf(p)
  p.sample(101, 151)
  return rowsOf(analyzedRows({ gotrace: w.bytes(), perf: p.bytes() }), 'syscall_wakeups')
}

type Writer = Parameters<Scenario['go']>[0]

/** Goroutine 1 makes a system call at 10 ms; its P is taken away, and given to goroutine 3 when all Ps shall be busy. */
function call(t: Writer, backMs: number, busy: boolean): void {
  t(100, 10, Ev.GoSyscallBegin, 1, 0)
  t(101, 10.4, Ev.ProcSteal, 0, 2, 100)
  if (busy) {
    t(102, 10.5, Ev.ProcStart, 0, 3)
    t(102, 10.6, Ev.GoCreate, 3, 0, 0)
    t(102, 10.7, Ev.GoStart, 3, 1)
  }
  t(100, backMs, Ev.GoSyscallEndBlocked)
}

/** Goroutine 1 waits for the network from 10 ms on; a thread without a P finds it ready. */
function poll(t: Writer, w: GoTraceWriter, readyMs: number, busy: boolean): void {
  t(100, 10, Ev.GoBlock, w.string('network'), w.stack('internal/poll.runtime_pollWait', 'main.serve'))
  if (busy) {
    t(100, 10.5, Ev.GoCreate, 3, 0, 0)
    t(100, 10.6, Ev.GoStart, 3, 1)
  }
  t(105, readyMs, Ev.GoUnblock, 1, 1, 0)
}

function read(p: PerfWriter, exitMs: number, ret: number): void {
  p.enter(100, 10.1, 'read', 'fd: 0x00000007, buf: 0x0, count: 0x1000')
  p.out(100, 10.2, 'S')
  p.into(100, exitMs - 0.1)
  p.exit(100, exitMs, 'read', ret)
}

/** Thread 105 waits in epoll from 11 ms on, is woken and gets a CPU. */
function epoll(p: PerfWriter, wakeMs: number, inMs: number, exitMs: number): void {
  p.enter(105, 11, 'epoll_pwait', 'epfd: 0x00000004')
  p.out(105, 11.1, 'S')
  p.wake(105, wakeMs)
  p.into(105, inMs)
  p.exit(105, exitMs, 'epoll_pwait', 1)
}

/** Goroutine 1 goes on at `ms` on thread 100, which takes its P back there. */
function goOn(t: Writer, ms: number, seq: number, procSeq: number): void {
  t(100, ms - 0.05, Ev.ProcStart, 0, procSeq)
  t(100, ms, Ev.GoStart, 1, seq)
}

const ms = (value: number) => Math.round(value * 1e6)

describe('syscall_wakeups, a capture worked out by hand for every verdict', () => {
  const told = new Set<unknown>()

  function only(rows: readonly Row[]): Row {
    assert.equal(rows.length, 1, JSON.stringify(rows))
    told.add(rows[0]!['verdict'])
    return rows[0]!
  }

  it('says no_p_free when every P ran something else', () => {
    const row = only(
      run({
        perf: (p) => read(p, 20, 42),
        go(t, w) {
          call(t, 20.2, true)
          t(102, 99, Ev.GoStop, w.string('preempted'), 0)
          t(102, 99.1, Ev.GoStart, 1, 1)
        },
      }),
    )
    const { source, service, host, ...values } = row
    assert.deepEqual([source, service, host], ['h/svc/99/0', 'svc', 'h'])
    assert.deepEqual(values, {
      ts: `${wallSeconds}${String(ms(20)).padStart(9, '0')}`,
      kind: 'call',
      tid: 100,
      name: 'read',
      ret: 42,
      errno: null,
      goroutine: 1,
      function: null,
      state: 'runnable',
      ran: true,
      delta_ns: ms(79.1),
      unnoticed_ns: ms(0.2),
      wait_for_p_ns: ms(78.9),
      wait_for_cpu_ns: 0,
      stw_ns: 0,
      poller_wait_ns: 0,
      unpolled_ns: null,
      busy_ps: 2,
      total_ps: 2,
      verdict: 'no_p_free',
    })
  })

  it('says undecided when a P was idle and nothing else is known', () => {
    const row = only(
      run({
        perf: (p) => read(p, 20, 42),
        go(t) {
          call(t, 20.2, false)
          goOn(t, 99, 1, 3)
        },
      }),
    )
    assert.deepEqual([row['verdict'], row['busy_ps'], row['total_ps']], ['undecided', 1, 2])
  })

  it('says kernel_error, and which, when the call failed', () => {
    const row = only(
      run({
        perf: (p) => read(p, 20, -104),
        go(t, w) {
          call(t, 20.2, true)
          t(102, 99, Ev.GoStop, w.string('preempted'), 0)
          t(102, 99.1, Ev.GoStart, 1, 1)
        },
      }),
    )
    assert.deepEqual([row['verdict'], row['ret'], row['errno']], ['kernel_error', -104, 'ECONNRESET'])
  })

  it('says thread_not_scheduled when the thread lost the CPU before it was back in Go', () => {
    const row = only(
      run({
        perf(p) {
          read(p, 20, 42)
          p.out(100, 20.01, 'R+')
          p.into(100, 95)
        },
        go(t) {
          call(t, 95.1, false)
          goOn(t, 95.3, 1, 3)
        },
      }),
    )
    assert.deepEqual(
      [row['verdict'], row['state'], row['delta_ns'], row['unnoticed_ns']],
      ['thread_not_scheduled', 'syscall', ms(75.3), ms(75.1)],
    )
  })

  it('says thread_not_scheduled also when the call never lost its P', () => {
    const row = only(
      run({
        perf(p) {
          read(p, 20, 42)
          p.out(100, 20.01, 'R')
          p.into(100, 95)
        },
        go(t) {
          t(100, 10, Ev.GoSyscallBegin, 1, 0)
          t(100, 95.1, Ev.GoSyscallEnd)
        },
      }),
    )
    assert.deepEqual([row['verdict'], row['ran'], row['delta_ns']], ['thread_not_scheduled', true, ms(75.1)])
  })

  it('says thread_not_scheduled when the thread that shall run it was woken and got no CPU', () => {
    const row = only(
      run({
        perf(p) {
          read(p, 20, 42)
          p.out(102, 15, 'S')
          p.wake(102, 21)
          p.into(102, 98)
        },
        go(t) {
          call(t, 20.2, false)
          t(102, 98.5, Ev.ProcStart, 0, 3)
          t(102, 99, Ev.GoStart, 1, 1)
        },
      }),
    )
    assert.deepEqual(
      [row['verdict'], row['wait_for_cpu_ns'], row['wait_for_p_ns']],
      ['thread_not_scheduled', ms(77), ms(78.8 - 77)],
    )
  })

  it('says stop_the_world when the world stood still meanwhile', () => {
    const row = only(
      run({
        perf: (p) => read(p, 20, 42),
        go(t, w) {
          call(t, 20.2, false)
          t(101, 21, Ev.STWBegin, w.string('GC mark termination'), 0)
          t(101, 90, Ev.STWEnd)
          goOn(t, 99, 1, 3)
        },
      }),
    )
    assert.deepEqual([row['verdict'], row['stw_ns'], row['wait_for_p_ns']], ['stop_the_world', ms(69), ms(78.8 - 69)])
  })

  it('says poller_not_scheduled when the polling thread was woken and got no CPU', () => {
    const row = only(
      run({
        perf: (p) => epoll(p, 20, 95, 95.1),
        go(t, w) {
          poll(t, w, 95.2, false)
          t(100, 95.4, Ev.GoStart, 1, 2)
        },
      }),
    )
    assert.deepEqual(
      [
        row['verdict'],
        row['kind'],
        row['name'],
        row['tid'],
        row['poller_wait_ns'],
        row['delta_ns'],
        row['unpolled_ns'],
      ],
      ['poller_not_scheduled', 'poll', 'epoll_pwait', 105, ms(75), ms(0.3), 0],
    )
  })

  it('says poller_not_scheduled when the polling thread lost the CPU right after epoll returned', () => {
    const row = only(
      run({
        perf(p) {
          epoll(p, 20, 20.1, 20.2)
          p.out(105, 20.3, 'R')
          p.into(105, 95)
        },
        go(t, w) {
          poll(t, w, 95.2, false)
          t(100, 95.4, Ev.GoStart, 1, 2)
        },
      }),
    )
    assert.deepEqual(
      [row['verdict'], row['state'], row['unnoticed_ns'], row['delta_ns']],
      ['poller_not_scheduled', 'waiting', ms(75), ms(75.2)],
    )
  })

  it('says not_polled when all Ps were busy and nobody polled for long', () => {
    const row = only(
      run({
        perf(p) {
          p.enter(105, 5, 'epoll_pwait', 'epfd: 0x00000004')
          p.exit(105, 5.1, 'epoll_pwait', 0)
          p.enter(105, 90, 'epoll_pwait', 'epfd: 0x00000004')
          p.exit(105, 90.1, 'epoll_pwait', 1)
        },
        go(t, w) {
          poll(t, w, 90.2, true)
          t(100, 92, Ev.GoStop, w.string('preempted'), 0)
          t(100, 92.1, Ev.GoStart, 1, 2)
        },
      }),
    )
    assert.deepEqual([row['verdict'], row['unpolled_ns'], row['delta_ns']], ['not_polled', ms(84.9), ms(2)])
  })

  it('tells of a goroutine that had not run when the trace ended', () => {
    const [row, ...more] = run({ perf: (p) => read(p, 20, 42), go: (t) => call(t, 20.2, true) })
    assert.deepEqual([row?.['ran'], row?.['delta_ns'], row?.['verdict'], more], [false, ms(130), 'no_p_free', []])
  })

  describe('of a call whose return Go had not noted when the trace ended', () => {
    const enter = (t: Writer, ...stack: number[]) => t(100, 10, Ev.GoSyscallBegin, 1, ...stack)

    function runOpen(leave: (p: PerfWriter) => void, go: Scenario['go'] = (t) => enter(t, 0)): Row[] {
      return run({
        perf(p) {
          read(p, 20, 42)
          leave(p)
        },
        go,
      })
    }

    it('tells when its thread had no CPU', () => {
      const row = only(runOpen((p) => p.out(100, 30, 'R')))
      assert.deepEqual(
        [row['verdict'], row['state'], row['ran'], row['delta_ns'], row['unnoticed_ns'], row['wait_for_p_ns']],
        ['thread_not_scheduled', 'syscall', false, ms(130), ms(130), 0],
      )
      assert.deepEqual([row['name'], row['ret'], row['busy_ps'], row['total_ps']], ['read', 42, null, null])
    })

    it('tells nothing when it had none for less than the threshold', () => {
      const rows = run({
        perf(p) {
          read(p, 110, 42)
          p.out(100, 110.1, 'R')
        },
        go: (t) => enter(t, 0),
      })
      assert.deepEqual(rows, [])
    })

    it('tells nothing when the thread may be in another call', () => {
      assert.deepEqual(
        runOpen((p) => p.out(100, 20.1, 'S')),
        [],
      )
      const entered = (p: PerfWriter) => {
        p.enter(100, 20.1, 'write')
        p.out(100, 20.2, 'R')
      }
      assert.deepEqual(runOpen(entered), [])
    })

    it('tells nothing of C, which goes on by itself', () => {
      const rows = runOpen(
        (p) => p.out(100, 20.1, 'R'),
        (t, w) => enter(t, w.stack('main._Cfunc_work', 'main.main')),
      )
      assert.deepEqual(rows, [])
    })
  })

  describe('of a call of C', () => {
    /** Its read returned at 20 ms, and it computes for long afterwards. */
    const inC = (w: GoTraceWriter) => w.stack('main._Cfunc_work', 'main.main')

    it('tells nothing when it was back in Go with its P', () => {
      const rows = run({
        perf: (p) => read(p, 20, 42),
        go(t, w) {
          t(100, 10, Ev.GoSyscallBegin, 1, inC(w))
          t(100, 140, Ev.GoSyscallEnd)
        },
      })
      assert.deepEqual(rows, [])
    })

    it('counts from Go’s note of its return when its P was taken away', () => {
      const leaveC = (runsMs: number) =>
        run({
          perf: (p) => read(p, 20, 42),
          go(t, w) {
            t(100, 10, Ev.GoSyscallBegin, 1, inC(w))
            t(101, 10.4, Ev.ProcSteal, 0, 2, 100)
            t(100, 80, Ev.GoSyscallEndBlocked)
            goOn(t, runsMs, 1, 3)
          },
        })
      assert.deepEqual(leaveC(80.2), [])
      const [row] = leaveC(135)
      assert.deepEqual([row?.['name'], row?.['unnoticed_ns'], row?.['delta_ns']], [null, 0, ms(55)])
    })
  })

  describe('when perf lost records between the return and the run', () => {
    function runLost(ret: number, lostMs: number, tell: (p: PerfWriter) => void = () => undefined): Row {
      return only(
        run({
          perf(p) {
            read(p, 20, ret)
            if (!Number.isNaN(lostMs)) p.add(101, lostMs, 'PERF_RECORD_LOST lost 2')
            tell(p)
          },
          go(t, w) {
            call(t, 20.2, true)
            t(102, 99, Ev.GoStop, w.string('preempted'), 0)
            t(102, 99.1, Ev.GoStart, 1, 1)
          },
        }),
      )
    }

    it('says unknown, as what a verdict goes by may be what is missing', () => {
      assert.equal(runLost(42, NaN)['verdict'], 'no_p_free')
      assert.deepEqual([runLost(42, 50)['verdict'], runLost(42, 50)['delta_ns']], ['unknown', ms(79.1)])
    })

    it('says kernel_error all the same, which was recorded', () => {
      assert.equal(runLost(-104, 50)['verdict'], 'kernel_error')
    })

    it('says what it says without when they are lost before or afterwards', () => {
      const seenAgain = (p: PerfWriter) => p.sample(102, 15)
      assert.equal(runLost(42, 5, seenAgain)['verdict'], 'no_p_free')
      const seenUntil = (p: PerfWriter) => p.sample(101, 110)
      assert.equal(runLost(42, 120, seenUntil)['verdict'], 'no_p_free')
    })

    it('says unknown also when a LOST record afterwards tells of a gap that reaches back before the run', () => {
      assert.equal(runLost(42, 120)['verdict'], 'unknown')
    })

    it('says unknown when nobody says when the thread that ran it was woken', () => {
      const missing = runLost(42, NaN, (p) => {
        p.out(102, 15, 'S')
        p.into(102, 98)
      })
      assert.equal(missing['verdict'], 'unknown')
    })
  })

  it('tells of a call that perf did not record by Go’s own note of its return', () => {
    const [row] = run({
      perf: () => undefined,
      go(t) {
        call(t, 20.2, false)
        goOn(t, 99, 1, 3)
      },
    })
    assert.deepEqual([row?.['name'], row?.['ret'], row?.['delta_ns']], [null, null, ms(78.8)])
  })

  it('tells nothing of who runs in time', () => {
    const rows = run({
      perf: (p) => read(p, 20, 42),
      go(t) {
        call(t, 20.2, false)
        goOn(t, 60, 1, 3)
      },
    })
    assert.deepEqual(rows, [])
  })

  after(() => {
    assert.deepEqual([...told].sort(), [...wakeVerdicts].sort(), 'every verdict was shown')
  })
})
