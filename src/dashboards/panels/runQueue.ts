import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

export const runQueue = timeseriesPanel({
  id: panelIds.runQueue,
  title: 'Threads that wanted a CPU and had none',
  description:
    'Time of the services’ threads in each interval, summed (needs perf). woken: until they got a CPU; preempted: another thread ran instead; ' +
    'idle_cpu: kept off a CPU that ran nothing, as when the cgroup’s quota is used up.',
  unit: 'ns',
  width: 24,
  colors: { woken: 'yellow', preempted: 'orange', idle_cpu: 'red' },
  sql:
    'SELECT ts AS "time", sum(woken_ns) AS woken, sum(preempted_ns - idle_ns) AS preempted, sum(idle_ns) AS idle_cpu ' +
    `FROM run_queue WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})
