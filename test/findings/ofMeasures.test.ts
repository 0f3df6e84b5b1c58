import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import type { Row } from '../../src/measures/table.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { analyzedRows, rowsOf } from '../measures/support.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { PerfWriter } from '../support/perfWriter.js'

const running = 2

interface Evidence {
  readonly go: readonly string[]
  readonly kernel: readonly string[]
  readonly next: string
  readonly facts: Readonly<Record<string, unknown>>
}

type Event = (tid: number, ms: number, type: number, ...args: number[]) => void

interface Scenario {
  readonly perf?: (p: PerfWriter) => void
  readonly go?: (event: Event, w: GoTraceWriter) => void
}

/** 990 ms of two Ps: goroutine 1 runs on thread 100, goroutine 2 on 101, both on a CPU, but for what the scenario says. */
function streams({ perf, go }: Scenario) {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  const event: Event = (tid, ms, ...rest) => w.event(tid, Math.round(ms * 1e6), ...rest)
  event(100, 0.001, Ev.ProcStatus, 0, 1)
  event(100, 0.002, Ev.GoStatus, 1, 100, running)
  event(101, 0.003, Ev.ProcStatus, 1, 1)
  event(101, 0.004, Ev.GoStatus, 2, 101, running)
  go?.(event, w)
  event(101, 990, Ev.GoStop, w.string('preempted'), 0)
  const p = new PerfWriter(startSeconds)
  for (const tid of [100, 101, 102]) p.into(tid, -1)
  perf?.(p)
  p.sample(101, 991)
  return { gotrace: w.bytes(), perf: p.bytes() }
}

const wallNs = (ms: number) => String(BigInt(wallSeconds) * 1_000_000_000n + BigInt(Math.round(ms * 1e6)))

/** Goroutine 5, of which the trace tells what it was started with, follows goroutine 1 on thread 100. */
function runServe(event: Event, w: GoTraceWriter, ms: number): void {
  event(100, ms - 0.2, Ev.GoCreate, 5, w.stack('main.serve'), 0)
  event(100, ms - 0.1, Ev.GoStop, w.string('preempted'), 0)
  event(100, ms, Ev.GoStart, 5, 1)
}

function findingsIn(scenario: Scenario): Row[] {
  return rowsOf(analyzedRows(streams(scenario)), 'findings')
}

function only(rows: readonly Row[]): { row: Row; evidence: Evidence } {
  assert.equal(rows.length, 1, JSON.stringify(rows))
  return { row: rows[0]!, evidence: JSON.parse(rows[0]!['evidence'] as string) as Evidence }
}

function calls(p: PerfWriter, name: string, count: number, ret: number, fromMs: number, lastsMs = 0.01): void {
  for (let i = 0; i < count; i++) {
    p.enter(100, fromMs + i * 2 * lastsMs, name)
    p.exit(100, fromMs + (i * 2 + 1) * lastsMs, name, ret)
  }
}

/** Goroutine 1's read returns at 20 ms; its P is taken by goroutine 3, which runs until 99 ms. */
const starved: Scenario = {
  perf(p) {
    p.enter(100, 10.1, 'read', 'fd: 0x00000007, buf: 0x0, count: 0x1000')
    p.out(100, 10.2, 'S')
    p.into(100, 19.9)
    p.exit(100, 20, 'read', 42)
  },
  go(event, w) {
    event(100, 10, Ev.GoSyscallBegin, 1, 0)
    event(101, 10.4, Ev.ProcSteal, 0, 2, 100)
    event(102, 10.5, Ev.ProcStart, 0, 3)
    event(102, 10.6, Ev.GoCreate, 3, 0, 0)
    event(102, 10.7, Ev.GoStart, 3, 1)
    event(100, 20.2, Ev.GoSyscallEndBlocked)
    event(102, 99, Ev.GoStop, w.string('preempted'), 0)
    event(102, 99.1, Ev.GoStart, 1, 1)
  },
}

/** A cycle from `beginMs` to `endMs`, during which goroutine 1 assists from `assistMs[0]` to `assistMs[1]`. */
function cycle(beginMs: number, endMs: number, assistMs: readonly [number, number], goal: number): Scenario {
  return {
    go(event, w) {
      event(101, 1, Ev.HeapGoal, goal)
      event(101, beginMs, Ev.GCBegin, 7, w.stack('runtime.mallocgc', 'main.work'))
      event(100, assistMs[0], Ev.GCMarkAssistBegin, w.stack('runtime.mallocgc', 'main.work'))
      event(100, assistMs[1], Ev.GCMarkAssistEnd)
      event(101, endMs - 1, Ev.STWBegin, w.string('GC mark termination'), 0)
      event(101, endMs - 0.5, Ev.HeapAlloc, 2_000_000)
      event(101, endMs, Ev.GCEnd, 8)
      event(101, endMs + 0.1, Ev.STWEnd)
    },
  }
}

describe('findings from what measures wrote', () => {
  it('tell of a system call whose goroutine did not run for long after it, and why', () => {
    const { row, evidence } = only(findingsIn(starved))
    assert.deepEqual([row['detector'], row['severity']], ['late_wakeup', 'warning'])
    assert.match(
      row['title'] as string,
      /^read was over and nobody took note for 79\.1 ms: goroutine 1 waited, no p free/,
    )
    assert.equal(evidence.facts['verdict'], 'no_p_free')
    assert.deepEqual(evidence.go, [
      'goroutine 1 ran 79.1 ms after the return: 78.9 ms runnable without a P, 200 µs until Go took note',
      '2 of 2 Ps were busy when it became runnable',
    ])
    assert.deepEqual(evidence.kernel, ['read on thread 100 returned 42'])
  })

  it('tell of a netpoll delay when the thread that was to run the goroutine got no CPU', () => {
    const rows = findingsIn({
      perf(p) {
        p.enter(101, 290, 'epoll_pwait')
        p.exit(101, 299.9, 'epoll_pwait', 1)
        p.out(100, 11, 'S')
        p.wake(100, 300.1)
        p.into(100, 340)
      },
      go(event, w) {
        event(100, 10, Ev.GoBlock, w.string('network'), w.stack('internal/poll.runtime_pollWait', 'main.serve'))
        event(101, 280, Ev.GoBlock, w.string('chan receive'), w.stack('runtime.chanrecv1', 'main.loop'))
        event(101, 300, Ev.GoUnblock, 1, 1, 0)
        event(101, 301, Ev.GoUnblock, 2, 1, 0)
        event(101, 302, Ev.GoStart, 2, 2)
        event(100, 340.1, Ev.GoStart, 1, 2)
      },
    })
    const { evidence } = only(rows.filter((row) => row['detector'] === 'netpoll_delay'))
    assert.equal(evidence.facts['kernel_ns'], 39_900_000)
    assert.ok(
      evidence.kernel.includes('thread 100, which then ran it, wanted a CPU and had none for 39.9 ms'),
      evidence.kernel.join(),
    )
    assert.match(evidence.next, /^the thread that was to run it got no CPU: look at run_queue/)
  })

  it('tell that the garbage collector runs most of the time, and that its heap is small', () => {
    const { row, evidence } = only(findingsIn(cycle(100, 900, [200, 201], 4_194_304)))
    assert.deepEqual([row['detector'], row['severity']], ['gc_pressure', 'warning'])
    assert.match(row['title'] as string, /^the garbage collector ran 80\.0 % of the time: 1 cycle in 991 ms$/)
    assert.ok(
      evidence.go.includes('heap goal of the last cycle: 4.19 MB, 2 MB were live at its end'),
      evidence.go.join(),
    )
    assert.match(evidence.next, /GOGC/)
  })

  it('tell that goroutines do the collector’s work instead of their own', () => {
    const { row, evidence } = only(findingsIn(cycle(100, 560, [101, 558], 1e9)))
    assert.deepEqual([row['detector'], row['severity']], ['gc_pressure', 'warning'])
    assert.match(row['title'] as string, /^garbage collection instead of work/)
    assert.equal(evidence.facts['assist_ns'], 457e6)
    assert.match(evidence.next, /allocate less/)
  })

  it('say nothing of a collector that has room', () => {
    assert.deepEqual(findingsIn(cycle(100, 400, [101, 150], 1e9)), [])
  })

  const waits: Scenario = {
    perf(p) {
      p.out(100, 10, 'S')
      p.wake(100, 20)
      p.into(100, 420)
    },
    go(event, w) {
      event(100, 9, Ev.GoBlock, w.string('chan receive'), 0)
      event(101, 20, Ev.GoUnblock, 1, 1, 0)
      event(100, 421, Ev.GoStart, 1, 2)
    },
  }

  it('tell that woken threads waited for a CPU, with what ran instead', () => {
    const { row, evidence } = only(
      findingsIn({
        ...waits,
        perf(p) {
          waits.perf!(p)
          p.out(101, 30, 'R')
          p.into(101, 80)
        },
      }),
    )
    assert.deepEqual([row['detector'], row['severity']], ['run_queue_delay', 'warning'])
    assert.deepEqual(
      [
        evidence.facts['woken_ns'],
        evidence.facts['preempted_ns'],
        evidence.facts['idle_ns'],
        evidence.facts['instead'],
      ],
      [400e6, 50e6, 0, 'hog'],
    )
    assert.match(evidence.next, /more threads want to run than there are CPUs/)
  })

  it('tell waits for a CPU that the service took from itself', () => {
    const untilMs = [70, 250]
    const [little, much] = untilMs.map((ms) => {
      const { evidence } = only(
        findingsIn({
          ...waits,
          perf(p) {
            waits.perf!(p)
            p.out(101, 30, 'R', ['serve', 102])
            p.into(101, ms)
            p.out(101, ms + 5, 'R')
            p.into(101, ms + 15)
          },
        }),
      )
      const { woken_ns, preempted_ns, idle_ns, own_ns, instead } = evidence.facts
      assert.deepEqual([woken_ns, preempted_ns, idle_ns, instead], [400e6, (ms - 20) * 1e6, 0, 'hog'])
      assert.equal(own_ns, (ms - 30) * 1e6)
      return evidence
    })
    const line = 'switched to instead: hog (10.0 ms), other threads of the service (40.0 ms)'
    assert.ok(little!.kernel.includes(line), little!.kernel.join())
    assert.match(little!.next, /more threads want to run than there are CPUs/)
    assert.match(much!.next, /^threads of the service take the CPU from each other/)
  })

  it('say nothing of the waits of threads that ran no goroutine', () => {
    const rows = findingsIn({
      perf(p) {
        p.out(102, 10, 'S')
        p.wake(102, 20)
        p.into(102, 420)
      },
    })
    assert.deepEqual(rows, [])
  })

  /** Of 30 threads that run no goroutine, each of which waits 410 ms, 10 have no row of their own; nor have threads that ran one and waited less. */
  const crowd: Scenario = {
    perf(p) {
      for (let tid = 200; tid < 230; tid++) {
        p.out(tid, 10, 'S')
        p.wake(tid, 20)
        p.into(tid, 430)
      }
      p.out(100, 10, 'S')
      p.wake(100, 20)
      p.into(100, 21)
    },
    go: waits.go!,
  }

  it('charge nobody with the waits of threads that ran no goroutine because another one did', () => {
    assert.deepEqual(findingsIn(crowd), [])
  })

  it('name no thread when none that ran a goroutine has a row of its own', () => {
    const { evidence } = only(
      findingsIn({
        ...crowd,
        perf(p) {
          crowd.perf!(p)
          p.out(100, 440, 'S')
          p.wake(100, 450)
          p.into(100, 849)
        },
      }),
    )
    assert.equal(evidence.facts['woken_ns'], 400e6)
    assert.equal(evidence.facts['tid'], null)
    assert.ok(
      evidence.kernel.every((line) => !/thread -|waited most/.test(line)),
      evidence.kernel.join(),
    )
  })

  it('tell that a cgroup’s quota kept threads off idle CPUs', () => {
    const rows = findingsIn({
      ...waits,
      perf(p) {
        waits.perf!(p)
        p.out(101, 30, 'R', ['swapper/1', 0])
        p.into(101, 530)
      },
    })
    assert.deepEqual(rows.map((row) => row['detector']).sort(), ['cpu_stolen', 'run_queue_delay'])
    for (const row of rows) {
      const { facts, next } = JSON.parse(row['evidence'] as string) as Evidence
      assert.equal(facts['idle_ns'], 500e6)
      assert.match(next, /quota of its cgroup was used up/)
    }
  })

  it('tell apart who took the CPU: other threads of the service, or somebody else', () => {
    const thieves: [comm: string, tid: number][] = [
      ['serve', 102],
      ['hog', 999],
    ]
    const [own, other] = thieves.map((thief) => {
      const { evidence } = only(
        findingsIn({
          perf(p) {
            p.out(101, 30, 'R', thief)
            p.into(101, 530)
          },
        }),
      )
      return evidence
    })
    assert.deepEqual([own!.facts['own_ns'], own!.facts['instead']], [500e6, null])
    assert.ok(own!.kernel.includes('switched to instead: other threads of the service (500 ms)'), own!.kernel.join())
    assert.match(own!.next, /GOMAXPROCS must not be larger/)
    assert.deepEqual([other!.facts['own_ns'], other!.facts['instead']], [0, 'hog'])
    assert.ok(other!.kernel.includes('switched to instead: hog (500 ms)'), other!.kernel.join())
    assert.match(other!.next, /find out why hog runs/)
  })

  it('tell of calls that fail again and again, and not of errors that only say "not yet"', () => {
    const { row, evidence } = only(
      findingsIn({
        perf(p) {
          // Until 20 ms goroutine 1 is on the thread, of which the trace does not say what it was started with.
          calls(p, 'openat', 50, -2, 10)
          calls(p, 'openat', 70, -2, 30)
          calls(p, 'openat', 30, 5, 100)
          calls(p, 'read', 500, -11, 200)
          calls(p, 'futex', 500, -110, 300)
          calls(p, 'epoll_ctl', 500, -1, 400)
        },
        go: (event, w) => runServe(event, w, 20),
      }),
    )
    assert.deepEqual([row['detector'], row['severity']], ['syscall_errors', 'warning'])
    assert.match(row['title'] as string, /^openat fails: ENOENT, 120 times in this second \(80\.0 % of its calls\)$/)
    assert.match(evidence.next, /files that are not there/)
    assert.equal(
      evidence.go[0],
      'goroutines whose calls failed, by what they were started with: main.serve (ENOENT ×70), no known goroutine (ENOENT ×50)',
    )
    assert.equal(evidence.facts['function'], 'main.serve')
  })

  it('tell at the first error that something has run out', () => {
    const { row, evidence } = only(findingsIn({ perf: (p) => calls(p, 'accept4', 1, -24, 10) }))
    assert.deepEqual([row['detector'], row['severity']], ['syscall_errors', 'critical'])
    assert.match(evidence.next, /ulimit -n/)
  })

  it('tell of a slow write to disk, and not of a read that waits for its peer', () => {
    const { row, evidence } = only(
      findingsIn({
        perf(p) {
          p.enter(102, 10, 'fdatasync', 'fd: 0x00000009')
          p.out(102, 11, 'D')
          p.into(102, 260)
          p.exit(102, 261, 'fdatasync', 0)
          p.enter(102, 300, 'read', 'fd: 0x00000003')
          p.out(102, 301, 'S')
          p.into(102, 900)
          p.exit(102, 901, 'read', 1)
        },
      }),
    )
    assert.deepEqual(
      [row['detector'], row['severity'], row['title']],
      ['slow_syscalls', 'warning', 'fdatasync took 251 ms'],
    )
    assert.deepEqual([evidence.facts['blocked_ns'], evidence.facts['cpu_ns'], evidence.facts['fd']], [249e6, 2e6, 9])
    assert.match(evidence.next, /look at the disk/)
    assert.deepEqual(evidence.go, ['no goroutine was on thread 102: the runtime, or C code, called fdatasync'])
    assert.deepEqual([row['from'], row['to']], [wallNs(10), wallNs(261)])
  })

  it('name the goroutine that made a slow system call, and where', () => {
    const { evidence } = only(
      findingsIn({
        perf(p) {
          p.enter(100, 30.1, 'fsync', 'fd: 0x00000009')
          p.exit(100, 530.1, 'fsync', 0)
        },
        go(event, w) {
          runServe(event, w, 20)
          event(100, 30, Ev.GoSyscallBegin, 1, w.stack('syscall.Syscall', 'os.(*File).Sync', 'main.save', 'main.serve'))
          event(100, 530.2, Ev.GoSyscallEnd)
        },
      }),
    )
    assert.deepEqual(evidence.go, [
      'goroutine 5 (main.serve) called it on thread 100, at syscall.Syscall < os.(*File).Sync < main.save < main.serve',
    ])
    assert.deepEqual(
      [evidence.facts['goroutine'], evidence.facts['function'], evidence.facts['tid']],
      [5, 'main.serve', 100],
    )
  })

  it('do not reach beyond the end of the recording', () => {
    const first = (scenario: Scenario) => only(findingsIn(scenario)).row
    const ofSecond = first({ perf: (p) => calls(p, 'accept4', 1, -24, 10) })
    const ofTen = first(cycle(100, 900, [200, 201], 4_194_304))
    for (const row of [ofSecond, ofTen]) assert.deepEqual([row['from'], row['to']], [wallNs(0), wallNs(991)])
  })

  it('are the same when nobody wants the rows they come from', async () => {
    const capture = 'test/captures/stw-netpoll'
    const all = await analyzeCapture(capture)
    const few = await analyzeCapture(capture, { tables: new Set(['time_classes']) })
    assert.deepEqual(few.findings, all.findings)
    assert.ok(few.rows.every(({ table }) => table === 'time_classes'))
  })
})
