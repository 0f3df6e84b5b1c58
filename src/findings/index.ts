import { cpuStolen } from './cpuStolen.js'
import type { Detector } from './finding.js'
import { netpollDelay } from './netpollDelay.js'
import { stopTheWorld } from './stopTheWorld.js'

/** Every detector. A new one is one file and one line here. */
export const detectors: readonly Detector[] = [stopTheWorld, netpollDelay, cpuStolen]
