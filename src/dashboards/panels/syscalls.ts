import { panelIds } from '../ids.js'
import { selected, tablePanel, timeseriesPanel } from './kit.js'

const time = timeseriesPanel({
  id: panelIds.syscallTime,
  title: 'System calls: slowest by name',
  description:
    'Longest single call that returned in each interval, of the calls that perf records. futex, epoll_pwait and nanosleep wait on purpose.',
  unit: 'ns',
  width: 12,
  points: true,
  sql:
    'SELECT ts AS "time", name AS metric, max(duration_max_ns) AS value ' +
    `FROM syscalls WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

const errors = timeseriesPanel({
  id: panelIds.syscallErrors,
  title: 'System calls: errors by name',
  description:
    'Calls that returned an error in each interval. EAGAIN of read and accept4 and ETIMEDOUT of futex are everyday answers; see the table for which they were.',
  unit: 'short',
  width: 12,
  sql:
    'SELECT ts AS "time", name AS metric, sum(errors) AS value ' +
    `FROM syscalls WHERE ${selected} AND errors > 0 SAMPLE BY $__interval ORDER BY "time"`,
})

const table = tablePanel({
  id: panelIds.syscalls,
  title: 'System calls',
  description:
    'System calls of the time shown, by name: how many, how many failed and with what in the latest second with errors, where their time went.',
  width: 24,
  sql:
    'SELECT service, name, sum("count") AS calls, sum(errors) AS errors, last_not_null(errnos) AS latest_errors, sum(total_ns) AS total, ' +
    'sum(cpu_ns) AS cpu, sum(blocked_ns) AS blocked, max(duration_p99_ns) AS worst_p99, max(duration_max_ns) AS longest ' +
    `FROM syscalls WHERE ${selected} GROUP BY service, name ORDER BY total DESC LIMIT 100`,
  units: { total: 'ns', cpu: 'ns', blocked: 'ns', worst_p99: 'ns', longest: 'ns' },
  widths: { service: 140, name: 140, calls: 100, errors: 90 },
})

export const syscalls = [time, errors, table]
