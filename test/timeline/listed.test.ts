import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { runTimeline } from '../support/timeline.js'

const startSeconds = 1000

/** Goroutine 3 is in a system call on thread 103 all the time; the trace lists it at 300 ms; it returns at 900 ms if asked to. */
function trace(returns: boolean): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9, 1_700_000_000)
  const running = 2
  const inSyscall = 3
  w.event(101, 1, Ev.ProcStatus, 0, 1)
  w.event(101, 2, Ev.GoStatus, 1, 101, running)
  w.event(101, 300e6, Ev.GoStatus, 3, 103, inSyscall)
  if (returns) w.event(103, 900e6, Ev.GoSyscallEndBlocked)
  w.event(101, 990e6, Ev.GoStop, w.string('preempted'), w.stack('main.main'))
  return w.bytes()
}

function perf(...more: readonly string[]): Uint8Array {
  const at = (ms: number) => `${startSeconds + Math.floor(ms / 1e3)}.${String((ms % 1e3) * 1e6).padStart(9, '0')}`
  const listed = [101, 103].map((tid) => `svc 0/0 [000] 0.000000000: PERF_RECORD_COMM: svc:101/${tid}`)
  const samples = Array.from({ length: 100 }, (_, i) => `svc 101/101 [000] ${at(i * 10 + 1)}: 1 cpu-clock:`)
  return Buffer.from(['# clockid: monotonic (1)', ...listed, ...[...samples, ...more].sort(byTime), ''].join('\n'))
}

const timeOf = (line: string) => Number(/ (\d+\.\d+): /.exec(line)![1])
const byTime = (a: string, b: string) => timeOf(a) - timeOf(b)

function classesOf(goTrace: Uint8Array, text: Uint8Array): [string, fromMs: number, toMs: number][] {
  const pieces: [string, number, number][] = []
  runTimeline(goTrace, text, {
    segment({ goid }, fromNs, toNs, classId) {
      if (goid !== 3) return
      const name = timeClasses[classId]!
      const last = pieces.at(-1)
      if (last?.[0] === name) last[2] = Math.round(toNs / 1e6)
      else pieces.push([name, Math.round(fromNs / 1e6), Math.round(toNs / 1e6)])
    },
  })
  return pieces
}

describe('timeline, threads that perf lists when it begins', () => {
  it('knows that a thread without any record has been off the CPU since perf began', () => {
    assert.deepEqual(classesOf(trace(false), perf()), [
      ['unknown', 0, 1],
      ['syscall_blocked', 1, 990],
    ])
  })

  it('takes back what is not told yet when the thread turns out to be on a CPU without having returned to one', () => {
    assert.deepEqual(classesOf(trace(false), perf('svc 101/103 [001] 1000.950000000: 1 cpu-clock:')), [
      ['unknown', 0, 1],
      ['syscall_blocked', 1, 300],
      ['unknown', 300, 950],
      ['syscall_cpu', 950, 990],
    ])
  })

  it('takes back what is not told yet when the thread returns from its system call without a record', () => {
    const pieces = classesOf(trace(true), perf())
    assert.deepEqual(
      pieces.map(([name]) => name),
      ['unknown', 'syscall_blocked', 'unknown', 'sched_wait'],
    )
  })

  it('knows nothing of it any more once records were lost', () => {
    const lost = 'svc 101/101 [001] 1000.100000000: PERF_RECORD_LOST lost 3'
    assert.deepEqual(new Set(classesOf(trace(false), perf(lost)).map(([name]) => name)), new Set(['unknown']))
  })
})

describe('timeline, a record of lost events', () => {
  /** Goroutine 1 runs on thread 101, which is on CPU 0 and sampled there every 10 ms, at 981 and 991 ms last; its last piece ends at 990 ms. */
  function lastClass(lost: string): string | undefined {
    let name: string | undefined
    runTimeline(trace(false), perf(lost, 'other 9/9 [001] 1000.995000000: 1 cpu-clock:'), {
      segment({ goid }, _fromNs, _toNs, classId) {
        if (goid === 1) name = timeClasses[classId]
      },
    })
    return name
  }

  it('leaves alone who is on another CPU', () => {
    assert.equal(lastClass('svc 101/105 [001] 1000.985000000: PERF_RECORD_LOST lost 3'), 'on_cpu')
  })

  it('makes everybody unknown when it names no CPU', () => {
    assert.equal(lastClass('perf 0/0 1000.985000000: PERF_RECORD_LOST lost 3'), 'unknown')
  })

  it('makes those unknown who were on its CPU', () => {
    assert.equal(lastClass('svc 101/105 [000] 1000.985000000: PERF_RECORD_LOST lost 3'), 'unknown')
  })
})
