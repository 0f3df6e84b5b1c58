import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

export const gcPauses = timeseriesPanel({
  id: panelIds.gcPauses,
  title: 'Stop-the-world pauses by reason',
  description:
    'Longest stop of all goroutines in each interval, from the request to the restart, by the reason the runtime gave. ' +
    'The line at 10 ms is the limit of the alert "GC pause > 10 ms".',
  unit: 'ns',
  width: 12,
  points: true,
  limit: 10_000_000,
  sql:
    'SELECT ts AS "time", reason AS metric, max(duration_ns) AS value ' +
    `FROM gc_pauses WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})
