/**
 * The one place that knows perf's command line. Pure: every function returns arguments, none runs anything. Sources: perf-record(1),
 * perf-script(1) and what perf 6.1 was seen to do.
 */

/**
 * System calls a Go service commonly waits in; the list is short on purpose. Measured on a service with Redis, MySQL
 * and bbolt behind HTTP: close, fdatasync, pread64 and pwrite64 make 3 % of its records and 2 % of perf's text; what is not called costs nothing.
 */
export const defaultSyscalls: readonly string[] = [
  'accept4',
  'close',
  'connect',
  'epoll_pwait',
  'fdatasync',
  'fsync',
  'futex',
  'nanosleep',
  'openat',
  'pread64',
  'pwrite64',
  'read',
  'recvfrom',
  'recvmsg',
  'sendmsg',
  'sendto',
  'write',
]

/** What both perf processes of a recording have in common. */
interface OutputOptions {
  /** perf.data to write; `-` streams it to stdout. */
  readonly output: string
  /** Size of the ring buffer of each CPU. */
  readonly bufferBytes: number
  /**
   * File descriptors of perf's control channel: commands in, acknowledgements out. perf then starts with its events off, and
   * whoever enables them knows from the acknowledgement that recording has begun.
   */
  readonly control?: { readonly commandFd: number; readonly ackFd: number }
}

interface ProcessOptions extends OutputOptions {
  readonly pid: number
}

export interface StackOptions extends ProcessOptions {
  /** Samples per second of cpu-clock. */
  readonly frequencyHz: number
  /** Whether cpu-clock and sched_switch come with stacks; absent: they do. */
  readonly stacks?: boolean | undefined
}

export interface CallOptions extends ProcessOptions {
  readonly syscalls: readonly string[]
  /**
   * Their numbers: two tracepoints tell of all system calls then, and a filter leaves these. Absent: two of its own for each, all of which the kernel
   * takes off and on whenever it switches a thread (measured for a switch and two calls of 17: 14 to 18 µs, with numbers 6 to 9), and of which each
   * thread has one for every CPU.
   */
  readonly syscallNumbers?: readonly number[] | undefined
  /** Thread names whose wake-ups the system-wide perf records; wake-ups of these are left out here, so that none is seen twice. */
  readonly wakeupsElsewhere: readonly string[]
}

export type RecordOptions = StackOptions & CallOptions

/**
 * `perf record` of one process, all in one. Stacks are taken on cpu-clock and sched_switch only. The frequency stands on cpu-clock alone: a
 * global `-F` would sample the tracepoints too. `--switch-events` gives the switch-in that sched_switch of a single process lacks.
 */
export function perfRecordArgs(options: RecordOptions): string[] {
  return [...processArgs(options), '--switch-events', ...stackEvents(options), ...callEvents(options)]
}

/** The same without what `perfCallsArgs` records. */
export function perfStacksArgs(options: StackOptions): string[] {
  return [...processArgs(options), '--switch-events', ...stackEvents(options)]
}

/**
 * `perf record` of what has no stacks: system calls, and wake-ups that the process makes. Where some events have stacks, perf prints of all
 * tracepoints where in the program they were; in a text of their own they take less than half.
 */
export function perfCallsArgs(options: CallOptions): string[] {
  return [...processArgs(options), ...callEvents(options)]
}

/** Go's threads sleep in these. */
const sleeps = ['epoll_pwait', 'futex', 'nanosleep']

/**
 * Whether what has no stacks may have a perf of its own. Texts are merged by time, and one that is silent holds the others up: the calls
 * must be those that a thread makes before it gives up its CPU.
 */
export function canSeparateCalls(syscalls: readonly string[]): boolean {
  return sleeps.every((name) => syscalls.includes(name))
}

function stackEvents({ frequencyHz, stacks = true }: StackOptions): string[] {
  return [
    ['-e', `cpu-clock/freq=${frequencyHz}${stacks ? ',call-graph=fp' : ''}/`],
    ['-e', `sched:sched_switch${stacks ? '/call-graph=fp/' : ''}`],
  ].flat()
}

/** A filter belongs to the event before it. */
function callEvents({ syscalls, syscallNumbers, wakeupsElsewhere }: CallOptions): string[] {
  return [
    ...(syscallNumbers === undefined ? eventsOfNames(syscalls) : eventsOfNumbers(syscallNumbers)),
    ...['-e', 'sched:sched_waking'],
    ...(wakeupsElsewhere.length > 0 ? ['--filter', commFilter(wakeupsElsewhere, '!=', '&&')] : []),
  ]
}

function eventsOfNames(syscalls: readonly string[]): string[] {
  return syscalls.flatMap((name) => ['-e', `syscalls:sys_enter_${name}`, '-e', `syscalls:sys_exit_${name}`])
}

function eventsOfNumbers(numbers: readonly number[]): string[] {
  if (numbers.length === 0) return []
  // The kernel compares one after the other: the oldest calls, read and write, have the lowest numbers.
  const filter = [...numbers].sort((a, b) => a - b).map((number) => `id == ${number}`)
  return ['enter', 'exit'].flatMap((half) => ['-e', `raw_syscalls:sys_${half}`, '--filter', filter.join(' || ')])
}

/**
 * `perf record` of every wake-up of threads with one of these names, whoever makes it. A per-process recording sees only the wake-ups
 * made by its own threads; those by interrupts and timers, the netpoller's among them, need this.
 */
export function perfWakeupArgs(options: OutputOptions & { readonly comms: readonly string[] }): string[] {
  const filter = commFilter(options.comms, '==', '||')
  // Only thread names are needed of other processes, not their mappings, which take long to list on a large host.
  return [...commonArgs(options), '--synth=task', '-a', '-e', 'sched:sched_waking', '--filter', filter]
}

function processArgs(options: ProcessOptions): string[] {
  // With -D perf adds the dummy itself, without a name: it crashes when it then streams (tools/perf/util/synthetic-events.c takes the name's
  // length), unless its header has named it, which has no room for more than 8000 ids of events, CPUs and threads.
  return [...commonArgs(options), '-p', String(options.pid), '-e', 'dummy:u']
}

function commonArgs(options: OutputOptions): string[] {
  return [
    ['record', '-o', options.output, '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', `${options.bufferBytes}B`],
    // Build ids are found by reading all samples again at the end; symbols are resolved here and now without them.
    ['--no-buildid', '--no-buildid-cache'],
    options.control === undefined
      ? []
      : ['-D', '-1', `--control=fd:${options.control.commandFd},${options.control.ackFd}`],
  ].flat()
}

/** Whether the kernel's filter language can name this thread: it has no escape for a quote. */
export function canFilterComm(comm: string): boolean {
  return comm !== '' && !/["\\\n]/.test(comm)
}

function commFilter(comms: readonly string[], operator: '==' | '!=', joint: '&&' | '||'): string {
  return comms.map((comm) => `comm ${operator} "${comm}"`).join(` ${joint} `)
}

/** Arguments of the `perf script` call whose text PerfScriptReader reads in full; `-` reads perf.data from stdin. */
export function perfScriptArgs(dataFile: string): string[] {
  return [
    'script',
    '--header',
    '--ns',
    '--no-inline',
    '-F',
    'comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace',
    '--show-task-events',
    '--show-switch-events',
    '--show-lost-events',
    '-i',
    dataFile,
  ]
}

/**
 * The same for what has no stacks: no header, no task events (of the whole host they would list every process). Threads are named, and samples have
 * their period, in the text beside it.
 */
export function perfBareScriptArgs(dataFile: string): string[] {
  return ['script', '--ns', '-F', 'pid,tid,cpu,time,event,trace', '--show-lost-events', '-i', dataFile]
}
