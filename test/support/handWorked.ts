import { Ev } from '../../src/gotrace/index.js'
import { GoTraceWriter } from './goTraceWriter.js'

/** CLOCK_MONOTONIC and wall time of the capture's time 0. */
export const startSeconds = 1000
export const wallSeconds = 1_700_000_000

const waiting = 'main.serve'
const running = 2

/**
 * One millisecond of a service with two goroutines, worked out by hand; times are µs. Goroutine 1 runs on thread 100 and goes
 * through every class; goroutine 2 on thread 101 polls the network and stops the world.
 */
export function handWorkedTrace(w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)): Uint8Array {
  const t100 = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
  const t101 = (us: number, type: number, ...args: number[]) => w.event(101, us * 1e3, type, ...args)
  const stack = w.stack('internal/poll.runtime_pollWait', 'net.(*conn).Read', waiting)
  const block = (us: number, reason: string) => t100(us, Ev.GoBlock, w.string(reason), stack)

  t100(0.001, Ev.ProcStatus, 0, 1)
  t100(0.002, Ev.GoStatus, 1, 100, running)
  t100(300, Ev.GoSyscallBegin, 1, stack)
  t100(410, Ev.GoSyscallEnd)
  t100(420, Ev.GCMarkAssistBegin, stack)
  t100(450, Ev.GCMarkAssistEnd)
  block(460, 'network')
  t100(600, Ev.GoStart, 1, 2)
  t100(640, Ev.GoUnblock, 2, 1, stack)
  t100(650, Ev.GoStop, w.string('preempted'), stack)
  t100(670, Ev.ProcStop)
  t100(695, Ev.ProcStart, 0, 2)
  t100(700, Ev.GoStart, 1, 3)
  block(720, 'sleep')
  t100(805, Ev.GoStart, 1, 5)
  block(810, 'chan receive')
  t100(905, Ev.GoStart, 1, 7)
  t100(950, Ev.GoDestroy)

  // The runtime lists what a thread carries when it first has something to say: here, 50 µs into the trace.
  t101(50, Ev.ProcStatus, 1, 1)
  t101(50.001, Ev.GoStatus, 2, 101, running)
  t101(540, Ev.GoBlock, w.string('chan receive'), stack)
  t101(560, Ev.GoUnblock, 1, 1, 0)
  t101(655, Ev.GoStart, 2, 2)
  t101(660, Ev.STWBegin, w.string('GC mark termination'), stack)
  t101(690, Ev.STWEnd)
  t101(800, Ev.GoUnblock, 1, 4, stack)
  t101(900, Ev.GoUnblock, 1, 6, stack)
  t101(1000, Ev.GoStop, w.string('preempted'), stack)
  return w.bytes()
}

/** The kernel's half of the same millisecond. */
export function handWorkedPerf(): Uint8Array {
  const lines: [us: number, text: string][] = []
  const head = (tid: number, us: number) => {
    const ns = startSeconds * 1e9 + us * 1e3
    return `svc 99/${tid} ${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}:`
  }
  const add = (tid: number, us: number, text: string) => lines.push([us, `${head(tid, us)} ${text}`])
  const out = (tid: number, us: number, state: string) => {
    const names = `prev_comm=svc prev_pid=${tid} prev_prio=120 prev_state=${state} ==> next_comm=hog next_pid=900 next_prio=120`
    add(tid, us, `1 sched:sched_switch: ${names}`)
  }
  const into = (tid: number, us: number) => add(tid, us, 'PERF_RECORD_SWITCH IN')
  const wake = (tid: number, us: number) => {
    add(101, us, `1 sched:sched_waking: comm=svc pid=${tid} prio=120 target_cpu=000`)
  }

  into(100, -100)
  out(100, 100, 'R')
  into(100, 150)
  out(100, 200, 'D')
  into(100, 230)
  out(100, 250, 'S')
  into(100, 260)
  out(100, 320, 'S')
  into(100, 400)
  out(100, 465, 'S')
  wake(100, 570)
  into(100, 590)
  out(100, 722, 'S')
  into(100, 803)
  out(100, 812, 'S')
  into(100, 904)
  // The kernel writes this when it can write again: since the CPU's record before, at 904, anything may be missing.
  add(100, 930, 'PERF_RECORD_LOST lost 7')
  add(100, 940, '1 cpu-clock:')

  into(101, -50)
  add(101, 10, 'PERF_RECORD_SWITCH OUT preempt')
  into(101, 30)
  add(101, 555, '1 syscalls:sys_exit_epoll_pwait: 0x1')
  out(101, 665, 'S')
  into(101, 685)
  add(101, 950, '1 cpu-clock:')
  // So that perf's half lasts as long as Go's.
  add(101, 1001, '1 cpu-clock:')

  const text = lines.sort((a, b) => a[0] - b[0]).map(([, line]) => line)
  return Buffer.from(['# clockid: monotonic (1)', ...text, ''].join('\n'))
}
