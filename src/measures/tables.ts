import { clockFitsTable } from './clockFits.js'
import { findingsTable } from './findings.js'
import { flamesTable } from './flames.js'
import { gcCyclesTable } from './gcCycles.js'
import { gcPausesTable } from './gcPauses.js'
import { goroutinesTable, goroutineStartsTable } from './goroutines.js'
import { netpollDelaysTable } from './netpollDelays.js'
import { netpollSpikesTable } from './netpollSpikes.js'
import { pipelineHealthTable } from './pipelineHealth.js'
import { runQueueTable } from './runQueue.js'
import { samplesTable } from './samples.js'
import { schedLatencyTable } from './schedLatency.js'
import { schedLatencyByFuncTable } from './schedLatencyByFunc.js'
import { stacksTable } from './stacks.js'
import { syscallsTable } from './syscalls.js'
import { syscallWakeupsTable } from './syscallWakeups.js'
import type { Table } from './table.js'
import { regionsTable, tasksTable, unfinishedTasksTable } from './tasks.js'
import { timeClassesTable } from './timeClasses.js'
import { wakeChainsTable } from './wakeChains.js'

/** Every table there is, in the order they are shown. */
export const tables: readonly Table[] = [
  gcPausesTable,
  gcCyclesTable,
  netpollDelaysTable,
  netpollSpikesTable,
  schedLatencyTable,
  schedLatencyByFuncTable,
  runQueueTable,
  syscallsTable,
  syscallWakeupsTable,
  timeClassesTable,
  tasksTable,
  regionsTable,
  unfinishedTasksTable,
  wakeChainsTable,
  goroutinesTable,
  goroutineStartsTable,
  findingsTable,
  stacksTable,
  samplesTable,
  flamesTable,
  clockFitsTable,
  pipelineHealthTable,
]
