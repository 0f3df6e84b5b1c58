/**
 * The records of trace format v1 (Go 1.11 to 1.21), as data: the only place that knows their ids and arguments.
 * Facts from Go's src/internal/trace/internal/tracev1.
 */

/** Wire ids by name. */
export const V1 = {
  Batch: 1,
  Frequency: 2,
  Stack: 3,
  Gomaxprocs: 4,
  ProcStart: 5,
  ProcStop: 6,
  GCStart: 7,
  GCDone: 8,
  STWStart: 9,
  STWDone: 10,
  GCSweepStart: 11,
  GCSweepDone: 12,
  GoCreate: 13,
  GoStart: 14,
  GoEnd: 15,
  GoStop: 16,
  GoSched: 17,
  GoPreempt: 18,
  GoSleep: 19,
  GoBlock: 20,
  GoUnblock: 21,
  GoBlockSend: 22,
  GoBlockRecv: 23,
  GoBlockSelect: 24,
  GoBlockSync: 25,
  GoBlockCond: 26,
  GoBlockNet: 27,
  GoSysCall: 28,
  GoSysExit: 29,
  GoSysBlock: 30,
  GoWaiting: 31,
  GoInSyscall: 32,
  HeapAlloc: 33,
  HeapGoal: 34,
  TimerGoroutine: 35,
  FutileWakeup: 36,
  String: 37,
  GoStartLocal: 38,
  GoUnblockLocal: 39,
  GoSysExitLocal: 40,
  GoStartLabel: 41,
  GoBlockGC: 42,
  GCMarkAssistStart: 43,
  GCMarkAssistDone: 44,
  UserTaskCreate: 45,
  UserTaskEnd: 46,
  UserRegion: 47,
  UserLog: 48,
  CPUSample: 49,
} as const
type V1Name = keyof typeof V1

/** Of a whole trace: places in it are kept in 32 bits. */
export const maxTraceBytes = 2 ** 31 - 1

/** Minor versions that headers of this format name: 11 is written by Go 1.11 to 1.18, 19 by 1.19 and 1.20, 21 by 1.21. */
export const v1Versions: readonly number[] = [11, 19, 21]

export function isV1(minor: number): boolean {
  return v1Versions.includes(minor)
}

/**
 * Events by their arguments after the time since the event before; `K` at the end is the stack. A goroutine that exits a system call also
 * says when it really did (`ticks`), which may be long before it could write the event.
 */
const timedEvents: Readonly<Partial<Record<V1Name, string>>> = {
  Gomaxprocs: 'procs K',
  ProcStart: 'm',
  ProcStop: '',
  GCStart: 'seq K',
  GCDone: '',
  STWStart: 'kind',
  STWDone: '',
  GCSweepStart: 'K',
  GCSweepDone: 'swept reclaimed',
  GoCreate: 'new_g new_stack K',
  GoStart: 'g seq',
  GoEnd: '',
  GoStop: 'K',
  GoSched: 'K',
  GoPreempt: 'K',
  GoSleep: 'K',
  GoBlock: 'K',
  GoUnblock: 'g seq K',
  GoBlockSend: 'K',
  GoBlockRecv: 'K',
  GoBlockSelect: 'K',
  GoBlockSync: 'K',
  GoBlockCond: 'K',
  GoBlockNet: 'K',
  GoSysCall: 'K',
  GoSysExit: 'g seq ticks',
  GoSysBlock: '',
  GoWaiting: 'g',
  GoInSyscall: 'g',
  HeapAlloc: 'bytes',
  HeapGoal: 'bytes',
  FutileWakeup: '',
  GoStartLocal: 'g',
  GoUnblockLocal: 'g K',
  GoSysExitLocal: 'g ticks',
  GoStartLabel: 'g seq label',
  GoBlockGC: 'K',
  GCMarkAssistStart: 'K',
  GCMarkAssistDone: '',
  UserTaskCreate: 'task parent name K',
  UserTaskEnd: 'task K',
  UserRegion: 'task mode name K',
  UserLog: 'task key K',
  CPUSample: 'ticks p g K',
}

export const v1Names: readonly (string | undefined)[] = (() => {
  const byId: (string | undefined)[] = []
  for (const [name, id] of Object.entries(V1)) byId[id] = name
  return byId
})()

/** 1 where an event has a stack, by wire id. */
export const v1HasStack = new Uint8Array(256)
/** Numbers an event has on the wire, with the time and the stack, by wire id; 255 = no timed event. */
export const v1NumberCount = new Uint8Array(256).fill(255)
for (const [name, args] of Object.entries(timedEvents) as [V1Name, string][]) {
  const list = args === '' ? [] : args.split(' ')
  v1HasStack[V1[name]] = list.at(-1) === 'K' ? 1 : 0
  v1NumberCount[V1[name]] = 1 + list.length
}

/** CPU samples came with Go 1.19. */
export function v1Exists(id: number, minor: number): boolean {
  return v1Names[id] !== undefined && (id !== V1.CPUSample || minor >= 19)
}

/**
 * Where events belong that no real P wrote or caused; numbers as `go tool trace` prints them as the P of an event.
 * `profile` does not show: a sample names the P it hit.
 */
export const fakeP = { timer: 1_000_001, netpoll: 1_000_002, syscall: 1_000_003, gc: 1_000_004 } as const
