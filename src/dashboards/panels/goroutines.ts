import { panelIds } from '../ids.js'
import { selected, tablePanel, timeseriesPanel } from './kit.js'

const states = [
  'running',
  'runnable',
  'syscall',
  'net_wait',
  'sync_wait',
  'sleep',
  'gc_wait',
  'system_wait',
  'unknown_wait',
]

const byState = timeseriesPanel({
  id: panelIds.goroutines,
  title: 'Goroutines by state',
  description:
    'Goroutines at the end of a second, mean of the seconds and sources in each interval. A line that only rises is a leak: see what starts ' +
    'them beside it.',
  unit: 'short',
  width: 12,
  sql:
    `SELECT ts AS "time", ${states.map((name) => `avg("${name}") AS "${name}"`).join(', ')} ` +
    `FROM goroutines WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

const starts = tablePanel({
  id: panelIds.goroutineStarts,
  title: 'Functions that start goroutines',
  description:
    'Goroutines by the function they were started with and the one that executed go: created and ended in the time shown, and the most there were ' +
    'at the end of a second in one source. Created and not ended, again and again: a leak, and who makes it.',
  width: 12,
  sql:
    'SELECT service, "function", created_by, sum(created) AS created, sum(ended) AS ended, max(alive) AS most_alive ' +
    `FROM goroutine_starts WHERE ${selected} GROUP BY service, "function", created_by ORDER BY created DESC LIMIT 100`,
  widths: { service: 140, created: 90, ended: 90, most_alive: 100 },
})

export const goroutines = [byState, starts]
