import { panelIds } from '../../dashboards/ids.js'
import type { AlertRule } from '../rule.js'

/** A stop of 10 ms is what a service with a latency goal of 100 ms notices; Go's own aim is well below 1 ms. */
export const gcPauseRule: AlertRule = {
  uid: 'dualtrace-gc-pause',
  title: 'GC pause > 10 ms',
  severity: 'critical',
  sql: 'SELECT source, service, host, max(duration_ns) / 1000000.0 AS value FROM gc_pauses WHERE $__timeFilter(ts) AND is_gc',
  labelColumns: ['source', 'service', 'host'],
  windowS: 300,
  threshold: 10,
  unit: 'ms',
  // A pause is over when it is seen: waiting would only delay the news.
  forS: 0,
  summary: 'The garbage collector stopped {service} for {value} (limit {threshold}).',
  next: 'Look at the findings of this source: they name the goroutine that was last to stop.',
  panelId: panelIds.gcPauses,
}
