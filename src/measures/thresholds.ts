/** What a threshold is given in: `ns` a time, `share` a part of a whole (0 to 1), `count` a whole number, `factor` so many times. */
export type ThresholdUnit = 'ns' | 'share' | 'count' | 'factor'

export interface ThresholdDefinition {
  /** What a user calls it; where it is a time, without the unit. */
  readonly name: string
  readonly unit: ThresholdUnit
  readonly initial: number
  /** What happens from here on. */
  readonly doc: string
}

/** Limits above which something is worth a row or a finding of its own. A new one is a line here: the settings, `--threshold` and their checks follow. */
export const thresholdDefinitions = {
  netpollSpikeNs: {
    name: 'netpollSpike',
    unit: 'ns',
    initial: 10e6,
    doc: 'a netpoll delay is a row of netpoll_spikes and a finding',
  },
  stopTheWorldNs: { name: 'stopTheWorld', unit: 'ns', initial: 10e6, doc: 'a stop-the-world is a finding' },
  stolenNs: {
    name: 'stolen',
    unit: 'ns',
    initial: 100e6,
    doc: 'CPU time stolen within a second, summed over threads, is a finding …',
  },
  stolenShare: {
    name: 'stolenShare',
    unit: 'share',
    initial: 0.2,
    doc: '… when it is also this share of the time that goroutines were Running',
  },
  wakeChainNs: {
    name: 'wakeChain',
    unit: 'ns',
    initial: 50e6,
    doc: 'a wait for a channel or lock is a row of wake_chains',
  },
  syscallWakeupNs: {
    name: 'syscallWakeup',
    unit: 'ns',
    initial: 50e6,
    doc: 'a goroutine that runs so long after the kernel returned is a row of syscall_wakeups and a finding',
  },
  runQueueNs: {
    name: 'runQueue',
    unit: 'ns',
    initial: 200e6,
    doc: 'the wait of woken threads for a CPU within a second, summed over threads, is a finding …',
  },
  runQueueShare: {
    name: 'runQueueShare',
    unit: 'share',
    initial: 0.2,
    doc: '… when it is also this share of that and the time goroutines were on a CPU',
  },
  gcShare: {
    name: 'gcShare',
    unit: 'share',
    initial: 0.5,
    doc: 'the garbage collector marks so much of the time: a finding',
  },
  gcAssistShare: {
    name: 'gcAssistShare',
    unit: 'share',
    initial: 0.2,
    doc: 'goroutines do the collector’s work, or wait for it, for this share of that and their own time on a CPU: a finding …',
  },
  gcAssistNs: {
    name: 'gcAssist',
    unit: 'ns',
    initial: 100e6,
    doc: '… when it is also so long a second, summed over goroutines',
  },
  syscallErrors: {
    name: 'syscallErrors',
    unit: 'count',
    initial: 100,
    doc: 'so many failed system calls of one name within a second are a finding …',
  },
  syscallErrorShare: {
    name: 'syscallErrorShare',
    unit: 'share',
    initial: 0.1,
    doc: '… when they are also this share of its calls',
  },
  slowSyscallNs: {
    name: 'slowSyscall',
    unit: 'ns',
    initial: 100e6,
    doc: 'a system call that should return soon and takes so long is a finding',
  },
  slowTaskNs: {
    name: 'slowTask',
    unit: 'ns',
    initial: 200e6,
    doc: 'a user task (trace.NewTask) that takes so long is a finding …',
  },
  slowTaskFactor: {
    name: 'slowTaskFactor',
    unit: 'factor',
    initial: 5,
    doc: '… when it also takes so many times as long as tasks of its type usually do',
  },
  criticalFactor: {
    name: 'criticalFactor',
    unit: 'factor',
    initial: 10,
    doc: 'what lasts so many times its threshold (netpollSpike, stopTheWorld, syscallWakeup, slowSyscall, slowTask) is critical',
  },
  criticalShare: {
    name: 'criticalShare',
    unit: 'share',
    initial: 0.5,
    doc: 'a share of stolen time, of waits for a CPU or of the collector’s work is critical',
  },
  criticalGcShare: {
    name: 'criticalGcShare',
    unit: 'share',
    initial: 0.9,
    doc: 'the garbage collector marks so much of the time: critical',
  },
} as const satisfies Record<string, ThresholdDefinition>

/** The limit of each; times in ns, shares from 0 to 1. */
export type Thresholds = { readonly [Key in keyof typeof thresholdDefinitions]: number }

export const defaultThresholds = Object.fromEntries(
  Object.entries(thresholdDefinitions).map(([key, { initial }]) => [key, initial]),
) as Thresholds
