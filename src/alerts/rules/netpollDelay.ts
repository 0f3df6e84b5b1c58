import { panelIds } from '../../dashboards/ids.js'
import type { AlertRule } from '../rule.js'

/** 10 ms is sysmon's own polling period: a longer delay means that no P looked at the network at all. */
export const netpollDelayRule: AlertRule = {
  uid: 'dualtrace-netpoll-delay',
  title: 'netpoll delay spike',
  severity: 'warning',
  // Without perf there is no poll time and total is null: ready-to-run alone is then a lower bound of the delay.
  sql:
    'SELECT source, service, host, max(greatest(total_max_ns, ready_to_run_max_ns)) / 1000000.0 AS value ' +
    'FROM netpoll_delays WHERE $__timeFilter(ts)',
  labelColumns: ['source', 'service', 'host'],
  windowS: 300,
  threshold: 10,
  unit: 'ms',
  forS: 60,
  summary: 'Network data waited {value} for its goroutine in {service} (limit {threshold}).',
  next: 'Compare poll-to-ready with ready-to-run: the first points at busy Ps, the second at the Go scheduler.',
  panelId: panelIds.netpollTotal,
}
