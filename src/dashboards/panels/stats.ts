import { panelIds } from '../ids.js'
import { ofRecordings, selected, statPanel, type StatOptions } from './kit.js'

const options: readonly Omit<StatOptions, 'width'>[] = [
  {
    id: panelIds.worstGcPause,
    title: 'Worst GC pause',
    description:
      'Longest time the garbage collector kept every goroutine stopped. Red from 10 ms, the limit of the alert.',
    unit: 'ns',
    limit: 10_000_000,
    sql: `SELECT max(duration_ns) AS value FROM gc_pauses WHERE ${selected} AND is_gc`,
  },
  {
    id: panelIds.worstNetpollDelay,
    title: 'Worst netpoll delay',
    description:
      'Longest time between the kernel reporting a socket ready and the goroutine that waited for it running. ' +
      'Red from 10 ms, the limit of the alert.',
    unit: 'ns',
    limit: 10_000_000,
    sql: `SELECT max(greatest(total_max_ns, ready_to_run_max_ns)) AS value FROM netpoll_delays WHERE ${selected}`,
  },
  {
    id: panelIds.cpuStolenShare,
    title: 'Running, but off the CPU',
    description:
      'Of the time Go counted as running, the share in which the kernel had given the CPU to something else: a noisy ' +
      'neighbour, a cgroup limit, too few cores.',
    unit: 'percentunit',
    decimals: 1,
    limit: 0.1,
    sql:
      `SELECT sum(CASE WHEN "class" = 'cpu_stolen' THEN "ns" ELSE 0 END) * 1.0 / sum("ns") AS value ` +
      `FROM time_classes WHERE ${selected} AND "class" IN ('on_cpu', 'cpu_stolen', 'fault_io', 'runtime_futex')`,
  },
  {
    id: panelIds.liveSources,
    title: 'Sources heard',
    description: 'Process instances that sent anything in the time range.',
    unit: 'short',
    sql: `SELECT count_distinct(source) AS value FROM pipeline_health WHERE ${selected} AND ${ofRecordings}`,
  },
]

export const statPanels = options.map((option) => statPanel({ ...option, width: 24 / options.length }))
