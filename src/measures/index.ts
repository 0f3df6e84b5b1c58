import { clockFits } from './clockFits.js'
import { gcCycles } from './gcCycles.js'
import { gcPauses } from './gcPauses.js'
import { goroutines } from './goroutines.js'
import type { Measure } from './measure.js'
import { netpollDelays } from './netpollDelays.js'
import { netpollSpikes } from './netpollSpikes.js'
import { pipelineHealth } from './pipelineHealth.js'
import { runQueue } from './runQueue.js'
import { samples } from './samples.js'
import { schedLatency } from './schedLatency.js'
import { schedLatencyByFunc } from './schedLatencyByFunc.js'
import { syscalls } from './syscalls.js'
import { syscallWakeups } from './syscallWakeups.js'
import { tasks } from './tasks.js'
import { timeClasses } from './timeClasses.js'
import { wakeChains } from './wakeChains.js'

/** Every measure. A new one is one file and one line here (and its table in tables.ts). */
export const measures: readonly Measure[] = [
  gcPauses,
  gcCycles,
  netpollDelays,
  netpollSpikes,
  schedLatency,
  schedLatencyByFunc,
  runQueue,
  syscalls,
  syscallWakeups,
  timeClasses,
  tasks,
  wakeChains,
  goroutines,
  samples,
  clockFits,
  pipelineHealth,
]
