import { clockFits, clockResidual } from './clockFits.js'
import { delivery } from './delivery.js'
import { findings } from './findings.js'
import { flames } from './flames.js'
import { gcCycles } from './gcCycles.js'
import { gcPauses } from './gcPauses.js'
import { goroutines } from './goroutines.js'
import type { PanelSpec } from './kit.js'
import { netpollDelays } from './netpollDelays.js'
import { netpollSpikes } from './netpollSpikes.js'
import { pipelineHealth } from './pipelineHealth.js'
import { runQueue } from './runQueue.js'
import { schedLatency } from './schedLatency.js'
import { statPanels } from './stats.js'
import { syscalls } from './syscalls.js'
import { syscallWakeups } from './syscallWakeups.js'
import { tasks } from './tasks.js'
import { timeClasses } from './timeClasses.js'
import { timeToStop } from './timeToStop.js'

/** The overview, top to bottom. A new panel is one file and one line here. */
export const rows: readonly { title: string; panels: readonly PanelSpec[] }[] = [
  { title: 'At a glance', panels: statPanels },
  { title: 'What went wrong', panels: [findings] },
  { title: 'Garbage collector', panels: [gcPauses, timeToStop, ...gcCycles] },
  { title: 'Network poller', panels: [...netpollDelays, netpollSpikes] },
  { title: 'Where the time went', panels: [timeClasses] },
  { title: 'User tasks', panels: tasks },
  { title: 'Goroutines', panels: goroutines },
  { title: 'Flame graphs', panels: flames },
  { title: 'Schedulers: Go and kernel', panels: [...schedLatency, runQueue] },
  { title: 'System calls', panels: [...syscalls, syscallWakeups] },
  { title: 'Can these numbers be trusted', panels: [clockResidual, clockFits, ...pipelineHealth, delivery] },
]
