import assert from 'node:assert/strict'
import { perfFailure } from '../../src/capture/perfFailure.js'

/** What perf 6.1 printed in each situation, shortened. */
const cases: readonly (readonly [situation: string, stderr: string, expected: RegExp])[] = [
  [
    'tracepoints are not readable',
    "event syntax error: 'sched:sched_switch'\n  \\___ can't access trace events\n\nError:\tNo permissions to read /sys/kernel/tracing/events/sched/sched_switch\n",
    /run as root/,
  ],
  [
    'perf_event_paranoid forbids it',
    'Error:\nAccess to performance monitoring and observability operations is limited.\nConsider adjusting /proc/sys/kernel/perf_event_paranoid setting\n',
    /run as root/,
  ],
  [
    'tracefs is not mounted',
    "event syntax error: 'sched:sched_switch'\n  \\___ unknown tracepoint\n\nError:\tUnable to find debugfs/tracefs\nHint:\tIs the debugfs/tracefs filesystem mounted?\n",
    /mount tracefs/,
  ],
  [
    'the process has more threads than perf has files for',
    "Error:\nToo many events are opened.\nProbably the maximum number of open file descriptors has been reached.\nHint: Try again after reducing the number of events.\nHint: Try increasing the limit with 'ulimit -n <limit>'\n",
    /ulimit -n, LimitNOFILE/,
  ],
  ['the process has gone', "Couldn't create thread/CPU maps: No such process\n", /process is gone/],
  ['something new happens', 'Error:\nthe moon is full\n', /perf record failed: Error: the moon is full/],
]

describe('perf failures', () => {
  for (const [situation, stderr, expected] of cases) {
    it(`says in one sentence what to do when ${situation}`, () => {
      const error = perfFailure(stderr)
      assert.match(error.message, expected)
      assert.ok(!error.message.includes('\n'))
      assert.equal(error.exitCode, 2)
    })
  }
})
