import type { TimeClass } from '../../timeline/classes.js'
import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

/** Green: work. Red and orange: taken away from outside. Yellow and purple: the Go runtime. Blue: waits the program asked for. */
const colors: Readonly<Record<Exclude<TimeClass, 'system_wait'>, string>> = {
  on_cpu: 'green',
  syscall_cpu: 'semi-dark-green',
  cpu_stolen: 'red',
  fault_io: 'orange',
  syscall_blocked: 'semi-dark-orange',
  sched_wait: 'yellow',
  sched_wait_kernel: 'dark-yellow',
  stw: 'dark-red',
  gc_assist: 'purple',
  runtime_futex: 'dark-purple',
  net_wait: 'blue',
  sync_wait: 'light-blue',
  sleep: 'super-light-blue',
  unknown: 'text',
}

export const timeClasses = timeseriesPanel({
  id: panelIds.timeClasses,
  title: 'Where the goroutines’ time went',
  description:
    'Time of all goroutines by class, as a share of each interval: what Go says and what the kernel says, joined. ' +
    'cpu_stolen is Go, or C that Go called, running while the kernel ran something else; sched_wait is runnable without a P; unknown is never guessed. ' +
    'The runtime’s own parked goroutines (system_wait) are left out.',
  unit: 'ns',
  width: 24,
  height: 10,
  share: true,
  colors,
  sql:
    'SELECT ts AS "time", "class" AS metric, sum("ns") AS value ' +
    `FROM time_classes WHERE ${selected} AND "class" != 'system_wait' SAMPLE BY $__interval ORDER BY "time"`,
})
