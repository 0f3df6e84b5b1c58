/**
 * What a goroutine's nanosecond can be: the joined view of its state in the Go trace and its thread's state in the kernel.
 * The order is the order of display.
 */
export const timeClasses = [
  'on_cpu',
  'cpu_stolen',
  'fault_io',
  'runtime_futex',
  'syscall_cpu',
  'syscall_blocked',
  'sched_wait',
  'sched_wait_kernel',
  'net_wait',
  'sync_wait',
  'sleep',
  'gc_assist',
  'stw',
  'system_wait',
  'unknown',
] as const
export type TimeClass = (typeof timeClasses)[number]

/** One sentence per class, for reports and panels. */
export const timeClassDocs: Readonly<Record<TimeClass, string>> = {
  on_cpu: 'Running in Go, or in C that Go called, and on a CPU: real work',
  cpu_stolen:
    'Running in Go, or in C that Go called, but the kernel ran something else on its CPU (preempted, throttled or stopped)',
  fault_io:
    'Running in Go, but its thread slept uninterruptibly in the kernel: a page fault from disk, or the wait for a new process to start',
  runtime_futex:
    'Running in Go, but its thread slept in the kernel: a lock of the Go runtime, or a raw system call that Go does not know to sleep',
  syscall_cpu: 'in a system call, on a CPU',
  syscall_blocked: 'in a system call, off CPU: asleep or preempted; or in C that sleeps',
  sched_wait: 'runnable, waiting for a P; also while the thread that runs it next was preempted before it could park',
  sched_wait_kernel:
    'runnable, while the thread that then ran it wanted a CPU and had none; in the last second of a wait; needs the wake-ups (sched_waking)',
  net_wait: 'waiting for the network',
  sync_wait: 'waiting for a channel, select or lock',
  sleep: 'in time.Sleep',
  gc_assist: 'working or waiting for the garbage collector',
  stw: 'held by a stop-the-world',
  system_wait: 'a goroutine of the runtime itself, parked until there is work',
  unknown:
    'could not be known: no perf data for the thread at that time, nor of when it was woken to run a goroutine, or no reason in the trace',
}

/** Index of each class in `timeClasses`: the form used in hot paths. */
export const ClassId = Object.fromEntries(timeClasses.map((name, id) => [name, id])) as Readonly<
  Record<TimeClass, number>
>

/** State of a thread in the kernel, as far as perf told. */
export const Kernel = {
  Unknown: 0,
  OnCpu: 1,
  /** Off CPU although it wanted to run: prev_state R, or a preempt flag. */
  Preempted: 2,
  /** prev_state S or I: asleep until woken. */
  Asleep: 3,
  /** prev_state D: uninterruptible, almost always disk. */
  Disk: 4,
  /** prev_state T or t: stopped by a signal or a debugger. */
  Stopped: 5,
  /** Off CPU, reason not recorded. */
  Off: 6,
} as const

/** Names of the kernel states in rows, by number; undefined for what is not known. */
export const kernelNames: readonly (string | undefined)[] = [
  undefined,
  'on_cpu',
  'preempted',
  'asleep',
  'disk',
  'stopped',
  'off',
]

/**
 * Kernel state behind sched_switch's `prev_state`, e.g. `R+`, `S`, `D|W`.
 * Source: sched_switch's format file; the first letter decides, the rest are modifiers.
 */
export function kernelStateOf(prevState: string): number {
  switch (prevState.charCodeAt(0)) {
    case 0x52: // R
      return Kernel.Preempted
    case 0x53: // S
    case 0x49: // I
      return Kernel.Asleep
    case 0x44: // D
      return Kernel.Disk
    case 0x54: // T
    case 0x74: // t
      return Kernel.Stopped
    default:
      return Kernel.Off
  }
}
