import { Ev } from '../../src/gotrace/index.js'
import { GoTraceWriter } from './goTraceWriter.js'

const startSeconds = 1000

/** What the task logs as its `task-id`: text from outside, with a control character. */
export const requestId = 'order\u001b[31m-9'

/**
 * 85 ms of a service whose goroutine 1 serves one task, `request` (7), from 1 to 83 ms, and waits in it for goroutine 2, which it makes and which waits for
 * the network. Then it begins a task that does not end. One thread, 100.
 */
export function requestTrace(): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9, 1_700_000_000)
  const at = (ms: number, type: number, ...args: number[]) => w.event(100, ms * 1e6, type, ...args)
  const stack = w.stack('runtime.chanrecv1', 'main.serve')
  at(0.01, Ev.ProcStatus, 0, 1)
  at(0.02, Ev.GoStatus, 1, 100, 2)
  at(1, Ev.UserTaskBegin, 7, 0, w.string('request'), stack)
  at(2, Ev.UserLog, 7, w.string('task-id'), w.string(requestId), stack)
  at(3, Ev.GoCreate, 2, w.stack('main.load'), stack)
  at(4, Ev.GoBlock, w.string('chan receive'), stack)
  at(5, Ev.GoStart, 2, 1)
  at(6, Ev.GoBlock, w.string('network'), stack)
  at(75, Ev.GoUnblock, 2, 2, 0)
  at(76, Ev.GoStart, 2, 3)
  at(80, Ev.GoUnblock, 1, 1, stack)
  at(81, Ev.GoDestroy)
  at(82, Ev.GoStart, 1, 2)
  at(83, Ev.UserTaskEnd, 7, stack)
  at(84, Ev.UserTaskBegin, 8, 0, w.string('endless'), stack)
  at(85, Ev.GoDestroy)
  return w.bytes()
}

/** The kernel's half of it: the thread sleeps in epoll_pwait from 7 to 74 ms. */
export function requestPerf(): Uint8Array {
  const record = (ms: number, text: string) => `svc 99/100 ${(startSeconds + ms / 1e3).toFixed(9)}: ${text}`
  const names = 'prev_comm=svc prev_pid=100 prev_prio=120 prev_state=S ==> next_comm=hog next_pid=900 next_prio=120'
  const text = [
    '# clockid: monotonic (1)',
    record(0, 'PERF_RECORD_SWITCH IN'),
    record(7, `1 sched:sched_switch: ${names}`),
    '\tffffffff81000001 __schedule+0x1 ([kernel.kallsyms])',
    '\tffffffff81000102 do_epoll_wait+0x2 ([kernel.kallsyms])',
    '\t401003 runtime.netpoll+0x3 (/srv/svc)',
    '\t402004 runtime.findRunnable+0x4 (/srv/svc)',
    '',
    record(74, 'PERF_RECORD_SWITCH IN'),
    record(74.5, '1 syscalls:sys_exit_epoll_pwait: 0x1'),
    record(84.5, '1 cpu-clock:'),
    record(85, '1 cpu-clock:'),
    '',
  ]
  return Buffer.from(text.join('\n'))
}
