import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

/** Records a program from its start to its end into a perf.data: CPU samples and switches. */
export function perfProgram(data: string, command: readonly string[]): void {
  const record = ['record', '-q', '-o', data, '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '--switch-events', '-m', '4M']
  const events = ['-e', 'cpu-clock/freq=99/', '-e', 'sched:sched_switch']
  const { status, stderr } = spawnSync('perf', [...record, ...events, '--', ...command])
  assert.equal(status, 0, stderr.toString())
}
