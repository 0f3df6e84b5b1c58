import type { GoEvent } from './event.js'
import type { Frame } from './generation.js'
import { quoteBytes, quoteText } from './quote.js'
import type { GoTraceReader } from './reader.js'
import { Ev, kindOf, specs } from './spec.js'
import { goStateNames, procStateNames } from './states.js'

const noTask = '18446744073709551615'

const metricNames: Readonly<Record<number, string>> = {
  [Ev.ProcsChange]: '/sched/gomaxprocs:threads',
  [Ev.HeapAlloc]: '/memory/classes/heap/objects:bytes',
  [Ev.HeapGoal]: '/gc/heap/goal:bytes',
}

/** Events whose transition is the current goroutine's own, and whose stack therefore is printed as the transition's too. */
const ownStackTransitions: ReadonlySet<number> = new Set([Ev.GoStop, Ev.GoBlock, Ev.GoSyscallBegin, Ev.GoStatusStack])

/**
 * An event in the words of `go tool trace -d=parsed`, without the final newline: one line, and with `stacks` the stacks below it.
 * Must be called before the reader goes on.
 */
export function formatEvent(event: GoEvent, reader: GoTraceReader, options: { readonly stacks: boolean }): string {
  const kind = kindOf(event.type)
  const timeNs = absolute(event.orderedNs, reader)
  let text = `M=${event.tid} P=${event.p} G=${event.goid} ${kind} Time=${timeNs}${details[kind](event, reader)}`
  if (!options.stacks) return text
  const transition = transitionStack(event)
  if (transition >= 0) text += `\nTransitionStack=\n${frames(reader.stack(transition))}`
  if (event.stackId !== 0 || event.type === Ev.StackSample) text += `\nStack=\n${frames(reader.stack(event.stackId))}`
  return text
}

type Details = (event: GoEvent, reader: GoTraceReader) => string

const details: Readonly<Record<ReturnType<typeof kindOf>, Details>> = {
  StateTransition: transition,
  Metric: (event, reader) => ` Name="${metricNames[event.type]!}" Value=${value(reader, 0)}`,
  Label: (event, reader) =>
    ` Label=${quoteBytes(reader.stringBytes(event.args[0]!))} Resource=Goroutine(${event.goid})`,
  RangeBegin: range,
  RangeActive: range,
  RangeEnd: (event, reader) => `${range(event)} Attributes=[${attributes(event, reader)}]`,
  TaskBegin: task,
  TaskEnd: task,
  RegionBegin: region,
  RegionEnd: region,
  Log: (event, reader) => {
    const [category, message] = [1, 2].map((i) => quoteBytes(reader.stringBytes(event.args[i]!))) as [string, string]
    return ` Task=${reader.exactArg(0)} Category=${category} Message=${message}`
  },
  StackSample: () => '',
  Sync: sync,
  Experimental: (event, reader) => {
    const { name, argNames } = specs[event.type]!
    return ` Name=${name} Args=[${argNames.map((arg, i) => `${arg}=${value(reader, i)}`).join(', ')}]`
  },
}

function absolute(ns: number, reader: GoTraceReader): bigint {
  return BigInt(ns) + (reader.baseNs ?? 0n)
}

function value(reader: GoTraceReader, arg: number): string {
  return `Value{Uint64(${reader.exactArg(arg)})}`
}

function transition(event: GoEvent, reader: GoTraceReader): string {
  const { type, from, to } = event
  const reason = type === Ev.GoStop || type === Ev.GoBlock ? quoteBytes(reader.stringBytes(event.args[0]!)) : '""'
  const isProc = type >= Ev.ProcStart && type <= Ev.ProcStatus
  const [label, id, names] = isProc
    ? ['ProcID', type === Ev.ProcStop ? event.p : event.args[0]!, procStateNames]
    : ['GoID', isAboutAnother(type) ? event.args[0]! : event.goid, goStateNames]
  return ` ${label}=${id} ${names[from]!}->${names[to]!} Reason=${reason}`
}

/** Whether a goroutine's transition names the goroutine in its first argument. */
function isAboutAnother(type: number): boolean {
  const name = specs[type]!.argNames[0]
  return name === 'g' || name === 'new_g'
}

function transitionStack(event: GoEvent): number {
  if (event.type === Ev.GoCreate || event.type === Ev.GoCreateBlocked) return event.args[1]!
  return ownStackTransitions.has(event.type) && event.stackId !== 0 ? event.stackId : -1
}

function range(event: GoEvent): string {
  switch (event.type) {
    case Ev.STWBegin:
    case Ev.STWEnd:
      return ` Name=${quoteText(`stop-the-world (${event.name})`)} Scope=Goroutine(${event.goid})`
    case Ev.GCSweepActive:
      return ` Name="GC incremental sweep" Scope=Proc(${event.args[0]!})`
    case Ev.GCSweepBegin:
    case Ev.GCSweepEnd:
      return ` Name="GC incremental sweep" Scope=Proc(${event.p})`
    case Ev.GCMarkAssistActive:
      return ` Name="GC mark assist" Scope=Goroutine(${event.args[0]!})`
    case Ev.GCMarkAssistBegin:
    case Ev.GCMarkAssistEnd:
      return ` Name="GC mark assist" Scope=Goroutine(${event.goid})`
    default:
      return ' Name="GC concurrent mark phase" Scope=None'
  }
}

function attributes(event: GoEvent, reader: GoTraceReader): string {
  if (event.type !== Ev.GCSweepEnd) return ''
  return `"bytes swept"=${value(reader, 0)} "bytes reclaimed"=${value(reader, 1)}`
}

function task(event: GoEvent, reader: GoTraceReader): string {
  const parent = event.parentTask === -1 ? noTask : event.parentTask.toString()
  return ` ID=${reader.exactArg(0)} Parent=${parent} Type=${quoteText(event.name)}`
}

function region(event: GoEvent, reader: GoTraceReader): string {
  return ` Task=${reader.exactArg(0)} Type=${quoteBytes(reader.stringBytes(event.args[1]!))}`
}

function sync(event: GoEvent, reader: GoTraceReader): string {
  const { clock } = event
  if (clock === undefined) return ` N=${event.args[0]!}`
  const traceNs = absolute(clock.traceNs, reader)
  return ` N=${event.args[0]!} Trace=${traceNs} Mono=${clock.monotonicNs} Wall=${localTime(clock.wallNs)}`
}

/** RFC 3339 with as many digits of the second as needed, in the zone of the machine, as Go prints a time. */
function localTime(wallNs: bigint): string {
  const second = wallNs / 1_000_000_000n
  const zoneMinutes = -new Date(Number(second) * 1000).getTimezoneOffset()
  const shown = new Date((Number(second) + zoneMinutes * 60) * 1000).toISOString().slice(0, 19)
  const digits = (wallNs % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  const two = (n: number) => Math.trunc(n).toString().padStart(2, '0')
  const away = Math.abs(zoneMinutes)
  const zone = zoneMinutes === 0 ? 'Z' : `${zoneMinutes < 0 ? '-' : '+'}${two(away / 60)}:${two(away % 60)}`
  return `${shown}${digits === '' ? '' : `.${digits}`}${zone}`
}

function frames(stack: readonly Frame[]): string {
  let text = ''
  for (const { func, file, line, pc } of stack) text += `\t${func} @ 0x${pc.toString(16)}\n\t\t${file}:${line}\n`
  return text
}
