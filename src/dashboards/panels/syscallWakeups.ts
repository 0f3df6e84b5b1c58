import { panelIds } from '../ids.js'
import { selected, tablePanel } from './kit.js'

export const syscallWakeups = tablePanel({
  id: panelIds.lateWakeups,
  title: 'Results that nobody picked up',
  description:
    'Returns from the kernel whose goroutine did not run within 50 ms, longest first, with the verdict: the kernel returned an error, the poller did ' +
    'not poll or had no CPU, no P was free, the thread had no CPU, the world was stopped. ' +
    'Unknown: perf lost records meanwhile.',
  width: 24,
  sql:
    'SELECT ts, service, source, kind, name, errno, goroutine, "function", tid, verdict, delta_ns AS delta, unnoticed_ns AS unnoticed, ' +
    'wait_for_p_ns AS wait_for_p, wait_for_cpu_ns AS wait_for_cpu, unpolled_ns AS unpolled, busy_ps, total_ps ' +
    `FROM syscall_wakeups WHERE ${selected} ORDER BY delta DESC LIMIT 100`,
  units: { delta: 'ns', unnoticed: 'ns', wait_for_p: 'ns', wait_for_cpu: 'ns', unpolled: 'ns' },
  widths: { ts: 180, service: 140, kind: 70, name: 120, goroutine: 100, tid: 90, verdict: 170, delta: 100 },
  colors: { verdict: { kernel_error: 'red', undecided: 'blue', unknown: 'blue' } },
})
