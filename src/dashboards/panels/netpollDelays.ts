import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

const parts = [
  {
    id: panelIds.netpollPollToReady,
    part: 'poll_to_ready',
    title: 'Netpoll: poll to ready',
    what: 'From the return of epoll_pwait in the kernel until the goroutine was runnable (needs perf).',
    limit: undefined,
  },
  {
    id: panelIds.netpollReadyToRun,
    part: 'ready_to_run',
    title: 'Netpoll: ready to run',
    what: 'From runnable until the goroutine ran: the Go scheduler’s part of the delay.',
    limit: undefined,
  },
  {
    id: panelIds.netpollTotal,
    part: 'total',
    title: 'Netpoll delay',
    what: 'Both parts together. The line at 10 ms is the limit of the alert "netpoll delay spike".',
    limit: 10_000_000,
  },
]

export const netpollDelays = parts.map(({ id, part, title, what, limit }) =>
  timeseriesPanel({
    id,
    title,
    description: `${what} p50 is the mean of the seconds’ medians; p99 and max are those of the worst second and source in each interval.`,
    unit: 'ns',
    width: 24 / parts.length,
    ...(limit === undefined ? {} : { limit }),
    sql:
      `SELECT ts AS "time", avg(${part}_p50_ns) AS p50, max(${part}_p99_ns) AS p99, max(${part}_max_ns) AS "max" ` +
      `FROM netpoll_delays WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
  }),
)
