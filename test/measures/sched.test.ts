import assert from 'node:assert/strict'
import { topAndOther } from '../../src/measures/top.js'
import { handWorkedPerf, handWorkedTrace } from '../support/handWorked.js'
import { analyzedRows, rowsOf } from './support.js'

const us = 1e3

describe('sched_latency, sched_latency_by_func and run_queue, on the capture worked out by hand', () => {
  const rows = analyzedRows({ gotrace: handWorkedTrace(), perf: handWorkedPerf() })
  const pick = (table: string, ...names: string[]) => rowsOf(rows, table).map((row) => names.map((name) => row[name]))
  // Runnable to Running: goroutine 1 at 600, 700, 805 and 905 µs, goroutine 2 at 655; one thread was woken at 570 and on a CPU at 590.
  const waits = 40 * us + 50 * us + 5 * us + 5 * us + 15 * us
  // Nobody was seen to wake the thread that ran goroutine 1 at 805 and 905: it came onto a CPU at 803, and after 904 records were lost.
  const unwoken = 3 * us + 5 * us

  it('split the wait to run into that for a P and that for a CPU', () => {
    assert.deepEqual(
      pick(
        'sched_latency',
        'count',
        'runnable_ns',
        'runnable_kernel_ns',
        'runnable_unknown_ns',
        'runnable_to_running_max_ns',
      ),
      [[5, waits, 20 * us, unwoken, 50 * us]],
    )
  })

  it('measure how long the kernel let woken and preempted threads wait', () => {
    assert.deepEqual(
      pick(
        'sched_latency',
        'wake_count',
        'wake_to_switch_in_max_ns',
        'preempt_count',
        'preempted_to_switch_in_p50_ns',
        'preempted_to_switch_in_max_ns',
      ),
      [[1, 20 * us, 2, 20 * us, 50 * us]],
    )
    const columns = ['tid', 'wait_ns', 'wakes', 'woken_ns', 'preemptions', 'preempted_ns', 'max_ns', 'instead']
    assert.deepEqual(pick('run_queue', ...columns), [
      [100, 70 * us, 1, 20 * us, 1, 50 * us, 50 * us, 'hog'],
      [101, 20 * us, 0, 0, 1, 20 * us, 20 * us, null],
    ])
  })

  it('name the functions that waited', () => {
    assert.deepEqual(
      pick('sched_latency_by_func', 'function', 'count', 'runnable_ns', 'runnable_kernel_ns', 'runnable_unknown_ns'),
      [['main.serve', 5, waits, 20 * us, unwoken]],
    )
  })

  it('say nothing of the kernel’s part without perf', () => {
    const alone = analyzedRows({ gotrace: handWorkedTrace() })
    assert.deepEqual(
      rowsOf(alone, 'sched_latency').map((row) => [
        row['runnable_ns'],
        row['runnable_kernel_ns'],
        row['runnable_unknown_ns'],
      ]),
      [[waits, null, null]],
    )
  })

  it('keep the largest and sum up the others', () => {
    const entries = new Map([
      ['a', 1],
      ['b', 5],
      ['c', 5],
      ['d', 2],
    ])
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
    const order = (a: string, b: string) => (a < b ? -1 : 1)
    assert.deepEqual(
      topAndOther(entries, 2, (value) => value, order, sum),
      {
        top: [
          ['b', 5],
          ['c', 5],
        ],
        other: 3,
      },
    )
    assert.equal(topAndOther(entries, 4, (value) => value, order, sum).other, undefined)
  })
})
