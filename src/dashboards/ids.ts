/** Names that other files and people's bookmarks refer to; they never change once published. */
export const dashboardUid = 'dualtrace-overview'
export const datasourceUid = 'dualtrace-questdb'
export const folderTitle = 'dualtrace'

/** Panel ids are part of a panel's address (`viewPanel=`, alert links), so a retired one is not used again. */
export const panelIds = {
  worstGcPause: 1,
  worstNetpollDelay: 2,
  cpuStolenShare: 3,
  liveSources: 4,
  findings: 5,
  gcPauses: 6,
  timeToStop: 7,
  netpollPollToReady: 8,
  netpollReadyToRun: 9,
  netpollTotal: 10,
  netpollSpikes: 11,
  timeClasses: 12,
  schedLatencyGo: 13,
  schedLatencyKernel: 14,
  clockResidual: 15,
  clockFits: 16,
  pipelineEvents: 17,
  pipelineTrouble: 18,
  pipelineLag: 19,
  flamesOnCpu: 20,
  flamesOffCpu: 21,
  flamesBlocked: 22,
  taskDuration: 30,
  taskParts: 31,
  longestTasks: 32,
  goroutines: 33,
  goroutineStarts: 34,
  gcWork: 35,
  gcHeap: 36,
  runQueue: 37,
  syscallTime: 38,
  syscallErrors: 39,
  syscalls: 40,
  lateWakeups: 41,
  delivery: 42,
} as const
