/**
 * The events of trace format v2, as data: the only place that knows ids, arguments and what kind of event each is.
 * Facts from Go's src/internal/trace/tracev2.
 */

/** Wire ids by name. `StackSample` is the format's CPUSample; `Sync` stands for the start (and the end) of the events of a generation. */
export const Ev = {
  EventBatch: 1,
  Stacks: 2,
  Stack: 3,
  Strings: 4,
  String: 5,
  CPUSamples: 6,
  StackSample: 7,
  Frequency: 8,
  ProcsChange: 9,
  ProcStart: 10,
  ProcStop: 11,
  ProcSteal: 12,
  ProcStatus: 13,
  GoCreate: 14,
  GoCreateSyscall: 15,
  GoStart: 16,
  GoDestroy: 17,
  GoDestroySyscall: 18,
  GoStop: 19,
  GoBlock: 20,
  GoUnblock: 21,
  GoSyscallBegin: 22,
  GoSyscallEnd: 23,
  GoSyscallEndBlocked: 24,
  GoStatus: 25,
  STWBegin: 26,
  STWEnd: 27,
  GCActive: 28,
  GCBegin: 29,
  GCEnd: 30,
  GCSweepActive: 31,
  GCSweepBegin: 32,
  GCSweepEnd: 33,
  GCMarkAssistActive: 34,
  GCMarkAssistBegin: 35,
  GCMarkAssistEnd: 36,
  HeapAlloc: 37,
  HeapGoal: 38,
  GoLabel: 39,
  UserTaskBegin: 40,
  UserTaskEnd: 41,
  UserRegionBegin: 42,
  UserRegionEnd: 43,
  UserLog: 44,
  GoSwitch: 45,
  GoSwitchDestroy: 46,
  GoCreateBlocked: 47,
  GoStatusStack: 48,
  ExperimentalBatch: 49,
  Sync: 50,
  ClockSnapshot: 51,
  EndOfGeneration: 52,
  Span: 128,
  SpanAlloc: 129,
  SpanFree: 130,
  HeapObject: 131,
  HeapObjectAlloc: 132,
  HeapObjectFree: 133,
  GoroutineStack: 134,
  GoroutineStackAlloc: 135,
  GoroutineStackFree: 136,
} as const
export type EvName = keyof typeof Ev

/** What an event is for a reader; the names `go tool trace -d=parsed` prints. */
export type EventKind =
  | 'StateTransition'
  | 'Metric'
  | 'Label'
  | 'RangeBegin'
  | 'RangeActive'
  | 'RangeEnd'
  | 'TaskBegin'
  | 'TaskEnd'
  | 'RegionBegin'
  | 'RegionEnd'
  | 'Log'
  | 'StackSample'
  | 'Sync'
  | 'Experimental'

/** Limits of the format, which also bound what a damaged file can make us allocate. */
export const maxBatchBytes = 65536
/** Ours, not the runtime's, which begins a generation every second: a busy program of 100 cores stays well below. */
export const maxGenerationBytes = 512 * 1024 * 1024
export const maxStringBytes = 1024
export const maxFramesPerStack = 128
/** Most arguments an event has after its time. */
export const maxArgs = 4

/**
 * Name, minor Go version of the header that first allows it, kind, arguments after `dt`. An argument ending in `S` is a string id, in `K` a stack
 * id; the last `K` is the event's own stack (a first one, of GoCreate, is the new goroutine's).
 */
type Row = readonly [name: EvName, since: number, kind: EventKind, args: string]

const timedEvents: readonly Row[] = [
  ['ProcsChange', 22, 'Metric', 'procs_value stackK'],
  ['ProcStart', 22, 'StateTransition', 'p p_seq'],
  ['ProcStop', 22, 'StateTransition', ''],
  ['ProcSteal', 22, 'StateTransition', 'p p_seq m'],
  ['ProcStatus', 22, 'StateTransition', 'p pstatus'],
  ['GoCreate', 22, 'StateTransition', 'new_g new_stackK stackK'],
  ['GoCreateSyscall', 22, 'StateTransition', 'new_g'],
  ['GoStart', 22, 'StateTransition', 'g g_seq'],
  ['GoDestroy', 22, 'StateTransition', ''],
  ['GoDestroySyscall', 22, 'StateTransition', ''],
  ['GoStop', 22, 'StateTransition', 'reasonS stackK'],
  ['GoBlock', 22, 'StateTransition', 'reasonS stackK'],
  ['GoUnblock', 22, 'StateTransition', 'g g_seq stackK'],
  ['GoSyscallBegin', 22, 'StateTransition', 'p_seq stackK'],
  ['GoSyscallEnd', 22, 'StateTransition', ''],
  ['GoSyscallEndBlocked', 22, 'StateTransition', ''],
  ['GoStatus', 22, 'StateTransition', 'g m gstatus'],
  ['STWBegin', 22, 'RangeBegin', 'kindS stackK'],
  ['STWEnd', 22, 'RangeEnd', ''],
  ['GCActive', 22, 'RangeActive', 'gc_seq'],
  ['GCBegin', 22, 'RangeBegin', 'gc_seq stackK'],
  ['GCEnd', 22, 'RangeEnd', 'gc_seq'],
  ['GCSweepActive', 22, 'RangeActive', 'p'],
  ['GCSweepBegin', 22, 'RangeBegin', 'stackK'],
  ['GCSweepEnd', 22, 'RangeEnd', 'swept_value reclaimed_value'],
  ['GCMarkAssistActive', 22, 'RangeActive', 'g'],
  ['GCMarkAssistBegin', 22, 'RangeBegin', 'stackK'],
  ['GCMarkAssistEnd', 22, 'RangeEnd', ''],
  ['HeapAlloc', 22, 'Metric', 'heapalloc_value'],
  ['HeapGoal', 22, 'Metric', 'heapgoal_value'],
  ['GoLabel', 22, 'Label', 'labelS'],
  ['UserTaskBegin', 22, 'TaskBegin', 'task parent_task nameS stackK'],
  ['UserTaskEnd', 22, 'TaskEnd', 'task stackK'],
  ['UserRegionBegin', 22, 'RegionBegin', 'task nameS stackK'],
  ['UserRegionEnd', 22, 'RegionEnd', 'task nameS stackK'],
  ['UserLog', 22, 'Log', 'task keyS valueS stackK'],
  ['GoSwitch', 23, 'StateTransition', 'g g_seq'],
  ['GoSwitchDestroy', 23, 'StateTransition', 'g g_seq'],
  ['GoCreateBlocked', 23, 'StateTransition', 'new_g new_stackK stackK'],
  ['GoStatusStack', 23, 'StateTransition', 'g m gstatus stackK'],
  ['Span', 23, 'Experimental', 'id npages_value kindclass'],
  ['SpanAlloc', 23, 'Experimental', 'id npages_value kindclass'],
  ['SpanFree', 23, 'Experimental', 'id'],
  ['HeapObject', 23, 'Experimental', 'id type'],
  ['HeapObjectAlloc', 23, 'Experimental', 'id type'],
  ['HeapObjectFree', 23, 'Experimental', 'id'],
  ['GoroutineStack', 23, 'Experimental', 'id order'],
  ['GoroutineStackAlloc', 23, 'Experimental', 'id order'],
  ['GoroutineStackFree', 23, 'Experimental', 'id'],
]

/** Header versions of format v2 by minor version. Go 1.24 writes 1.23. */
export const versions = [22, 23, 25, 26] as const

export interface EventSpec {
  readonly name: EvName
  readonly kind: EventKind
  readonly since: number
  readonly argNames: readonly string[]
  /** Position of the event's own stack among the arguments, -1 = it has none. */
  readonly stackArg: number
  readonly stackArgs: readonly number[]
  readonly stringArgs: readonly number[]
}

function toSpec([name, since, kind, args]: Row): EventSpec {
  const marked = args === '' ? [] : args.split(' ')
  const positions = (mark: string) => marked.flatMap((arg, i) => (arg.endsWith(mark) ? [i] : []))
  const stackArgs = positions('K')
  return {
    name,
    kind,
    since,
    argNames: marked.map((arg) => arg.replace(/[SK]$/, '')),
    stackArg: stackArgs.at(-1) ?? -1,
    stackArgs,
    stringArgs: positions('S'),
  }
}

/** By wire id; undefined for ids that cannot stand in a thread's batch. */
export const specs: readonly (EventSpec | undefined)[] = (() => {
  const byId: (EventSpec | undefined)[] = Array.from({ length: 256 }, () => undefined)
  for (const row of timedEvents) byId[Ev[row[0]]] = toSpec(row)
  return byId
})()

/** Number of arguments after dt by wire id, 255 = not an event of header `go 1.minor`. */
export function argCounts(minor: number): Uint8Array {
  return Uint8Array.from(specs, (spec) => (spec === undefined || spec.since > minor ? 255 : spec.argNames.length))
}

/** What telling an event must know of its arguments, packed into one number. */
export const Shape = {
  /** Mask of the number of arguments after dt. */
  count: 0x7,
  /** It has a stack of its own, and which argument (two bits) that is. */
  stack: 0x8,
  stackAt: 4,
  /** It has a string, and which argument (two bits) the first one is. */
  string: 0x40,
  stringAt: 7,
  /** It has a second string or stack. */
  more: 0x200,
  /** Mask of both. */
  names: 0x240,
} as const

/** For ids that are no event. */
export const noEvent = -1

/** `Shape` by wire id, `noEvent` = not an event of header `go 1.minor`. */
export function shapesOf(minor: number): Int32Array {
  return Int32Array.from(specs, (spec) => {
    if (spec === undefined || spec.since > minor) return noEvent
    const { argNames, stackArg, stackArgs, stringArgs } = spec
    let shape = argNames.length
    if (stackArg >= 0) shape |= Shape.stack | (stackArg << Shape.stackAt)
    if (stringArgs.length > 0) shape |= Shape.string | (stringArgs[0]! << Shape.stringAt)
    if (stringArgs.length > 1 || stackArgs.length > 1) shape |= Shape.more
    return shape
  })
}

export function kindOf(type: number): EventKind {
  if (type === Ev.Sync) return 'Sync'
  if (type === Ev.StackSample) return 'StackSample'
  return specs[type]!.kind
}
