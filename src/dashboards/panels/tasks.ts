import { timeClasses } from '../../timeline/classes.js'
import { panelIds } from '../ids.js'
import { selected, tablePanel, timeseriesPanel } from './kit.js'

/** Classes that no goroutine of a program is in while it works for a task. */
const shown = timeClasses.filter((name) => name !== 'system_wait')

const duration = timeseriesPanel({
  id: panelIds.taskDuration,
  title: 'User tasks: longest by type',
  description: 'Longest user task (trace.NewTask) that began in each interval, by its type.',
  unit: 'ns',
  width: 12,
  points: true,
  sql:
    'SELECT ts AS "time", type AS metric, max(duration_ns) AS value ' +
    `FROM tasks WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

const parts = timeseriesPanel({
  id: panelIds.taskParts,
  title: 'User tasks: where their time went',
  description:
    'Time of all user tasks by class, as a share. An instant counts for the goroutine furthest in progress; unattended: no goroutine worked ' +
    'for the task. A task’s time counts for its parent too.',
  unit: 'ns',
  width: 12,
  share: true,
  sql:
    `SELECT ts AS "time", ${shown.map((name) => `sum(${name}_ns) AS ${name}`).join(', ')}, ` +
    `sum(unattended_ns) AS unattended FROM tasks WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

const longest = tablePanel({
  id: panelIds.longestTasks,
  title: 'Longest user tasks',
  description:
    'Single tasks, longest first, with the id they logged and their largest waits. Follow one across its goroutines with ' +
    '`dualtrace diagnose CAPTURE --task-id ID`.',
  width: 24,
  height: 9,
  sql:
    'SELECT ts, service, source, type, task, log_id, goroutine_count AS goroutines, duration_ns AS duration, cpu_ns AS cpu, ' +
    'sched_wait_ns + sched_wait_kernel_ns + cpu_stolen_ns AS held_up, net_wait_ns AS net_wait, sync_wait_ns AS sync_wait, ' +
    `unattended_ns AS unattended FROM tasks WHERE ${selected} ORDER BY duration DESC LIMIT 100`,
  units: {
    duration: 'ns',
    cpu: 'ns',
    held_up: 'ns',
    net_wait: 'ns',
    sync_wait: 'ns',
    unattended: 'ns',
  },
  widths: { ts: 180, service: 140, task: 90, goroutines: 100 },
})

export const tasks = [duration, parts, longest]
