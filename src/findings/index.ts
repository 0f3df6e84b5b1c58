import { cpuStolen } from './cpuStolen.js'
import type { Detector } from './finding.js'
import { gcPressure } from './gcPressure.js'
import { lateWakeup } from './lateWakeup.js'
import { netpollDelay } from './netpollDelay.js'
import { runQueueDelay } from './runQueueDelay.js'
import { slowSyscalls } from './slowSyscalls.js'
import { slowTasks } from './slowTasks.js'
import { stopTheWorld } from './stopTheWorld.js'
import { syscallErrors } from './syscallErrors.js'

/** Every detector. A new one is one file and one line here. */
export const detectors: readonly Detector[] = [
  stopTheWorld,
  netpollDelay,
  cpuStolen,
  lateWakeup,
  gcPressure,
  runQueueDelay,
  syscallErrors,
  slowSyscalls,
  slowTasks,
]
