import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

const schedulers = [
  {
    id: panelIds.schedLatencyGo,
    part: 'runnable_to_running',
    title: 'Scheduler latency: Go',
    what: 'How long a runnable goroutine waited for a P. High with the kernel’s low: too few Ps for the work.',
  },
  {
    id: panelIds.schedLatencyKernel,
    part: 'wake_to_switch_in',
    title: 'Scheduler latency: kernel',
    what: 'How long a woken thread waited for a CPU (needs perf). High: the machine is short of CPU, not the Go program.',
  },
]

export const schedLatency = schedulers.map(({ id, part, title, what }) =>
  timeseriesPanel({
    id,
    title,
    description: `${what} p50 is the mean of the seconds’ medians; p99 and max are those of the worst second and source in each interval.`,
    unit: 'ns',
    width: 12,
    sql:
      `SELECT ts AS "time", avg(${part}_p50_ns) AS p50, max(${part}_p99_ns) AS p99, max(${part}_max_ns) AS "max" ` +
      `FROM sched_latency WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
  }),
)
