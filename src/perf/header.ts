import { isPerfDetail, type PerfDetail } from './detail.js'
import { plainEventName } from './events.js'

export interface PerfEventHeader {
  /** As PerfScriptReader.eventName prints it. */
  readonly name: string
  readonly samplePeriod: number | undefined
  /** Samples per second asked for; on a tracepoint this means that most of its events are missing. */
  readonly sampleFreq: number | undefined
  readonly isTracepoint: boolean
  /** A tracepoint of whose events only some were recorded. */
  readonly isSampled: boolean
}

/** What `perf script --header` says in comment lines. Fields perf did not print stay undefined. */
export interface PerfHeader {
  readonly present: boolean
  readonly hostname: string | undefined
  readonly osRelease: string | undefined
  /** Machine, as uname says it: x86_64, aarch64. */
  readonly arch: string | undefined
  readonly cmdline: string | undefined
  /** clockid_t of the record times: 1 = CLOCK_MONOTONIC; undefined = not said, so perf's own clock. */
  readonly clockId: number | undefined
  /** One moment on perf's clock, whichever that is, and in wall time, to the microsecond. */
  readonly reference: { readonly clockNs: bigint; readonly wallNs: bigint } | undefined
  /** Time of the first sample, whole seconds: what shows that printed times are relative. */
  readonly firstSampleSeconds: number | undefined
  readonly events: readonly PerfEventHeader[]
  /** SWITCH records were asked for (--switch-events): threads are seen to leave and enter CPUs. */
  readonly hasSwitchEvents: boolean
  /**
   * Of a process in a pid namespace of its own: thread inside, as the program knows it, → thread outside, as perf does. The collector
   * writes these lines, also between records, when it sees a thread for the first time.
   */
  readonly threads: ReadonlyMap<number, number> | undefined
  /** What the records from here on were recorded with, as the collector's lines between records say. */
  readonly detail: PerfDetail
}

export const emptyHeader: PerfHeader = {
  present: false,
  hostname: undefined,
  osRelease: undefined,
  arch: undefined,
  cmdline: undefined,
  clockId: undefined,
  reference: undefined,
  firstSampleSeconds: undefined,
  events: [],
  hasSwitchEvents: false,
  threads: undefined,
  detail: 'full',
}

/** perf's PERF_TYPE_TRACEPOINT. */
const tracepointType = 2

type Reading = (header: PerfHeader, match: RegExpExecArray) => PerfHeader

/** Line forms. When two texts were merged, both headers are there: the first to say something wins, events add up. */
const lineForms: readonly (readonly [RegExp, Reading])[] = [
  [/^# hostname : (.*)$/, (header, [, text]) => ({ ...header, hostname: header.hostname ?? text })],
  [/^# os release : (.*)$/, (header, [, text]) => ({ ...header, osRelease: header.osRelease ?? text })],
  [/^# arch : (.*)$/, (header, [, text]) => ({ ...header, arch: header.arch ?? text?.trimEnd() })],
  [/^# cmdline : (.*)$/, (header, [, text]) => ({ ...header, cmdline: header.cmdline ?? text?.trimEnd() })],
  [/^# clockid: .*\((\d+)\)\s*$/, (header, [, id]) => ({ ...header, clockId: header.clockId ?? Number(id) })],
  [
    /^# time of first sample : (\d+)\.\d+/,
    (header, [, seconds]) => ({
      ...header,
      firstSampleSeconds: Math.min(header.firstSampleSeconds ?? Infinity, Number(seconds)),
    }),
  ],
  [
    /^# reference time: .* = (\d+)\.(\d{1,9}) \(TOD\) = (\d+)\.(\d{1,9}) \(\w+\)/,
    (header, [, wallSeconds, wallFraction, seconds, fraction]) => ({
      ...header,
      reference: header.reference ?? {
        wallNs: nanoseconds(wallSeconds!, wallFraction!),
        clockNs: nanoseconds(seconds!, fraction!),
      },
    }),
  ],
  [/^# event : name = (.*?), (?:, )?(?:id|type|size) = (.*)$/, addEvent],
  [
    /^# dualtrace thread : (\d{1,10}) (\d{1,10})$/,
    (header, [, outside, inside]) => ({
      ...header,
      threads: withThread(header.threads, Number(inside), Number(outside)),
    }),
  ],
  [/^# dualtrace detail : (\w+)$/, (header, [, detail]) => (isPerfDetail(detail!) ? { ...header, detail } : header)],
  [/^# (?:=======|captured on|header version)/, (header) => header],
]

/** The header after one more comment line; the same object when the line says nothing. */
export function withHeaderLine(header: PerfHeader, line: string): PerfHeader {
  for (const [form, reading] of lineForms) {
    const match = form.exec(line)
    if (match !== null) return { ...reading(header, match), present: true }
  }
  return header
}

function addEvent(header: PerfHeader, match: RegExpExecArray): PerfHeader {
  const attributes = match[0]
  const name = plainEventName(match[1]!)
  const clockId = header.clockId ?? numberOf(/use_clockid = 1.*?, clockid = (\d+)/, attributes)
  const hasSwitchEvents = header.hasSwitchEvents || /\bcontext_switch = 1\b/.test(attributes)
  if (header.events.some((event) => event.name === name)) return { ...header, clockId, hasSwitchEvents }
  const value =
    numberOf(/\{ sample_period, sample_freq \} = (\d+)/, attributes) ??
    numberOf(/sample_(?:period|freq) = (\d+)/, attributes)
  const byFrequency = /, freq = 1\b/.test(attributes) || /, sample_freq = \d/.test(attributes)
  const isTracepoint = numberOf(/\btype = (\d+)/, attributes) === tracepointType
  // When the period of each sample is asked for, the kernel records every event of a tracepoint, whatever the period (perf_swevent_event).
  const skips = byFrequency || ((value ?? 1) > 1 && !/ sample_type = [^,]*\bPERIOD\b/.test(attributes))
  const event: PerfEventHeader = {
    name,
    samplePeriod: byFrequency ? undefined : value,
    sampleFreq: byFrequency ? value : undefined,
    isTracepoint,
    isSampled: isTracepoint && skips,
  }
  return { ...header, clockId, hasSwitchEvents, events: [...header.events, event] }
}

/** More threads than a program has; the oldest are forgotten. */
const mostThreads = 1 << 14

function withThread(threads: PerfHeader['threads'], inside: number, outside: number): PerfHeader['threads'] {
  if (threads?.get(inside) === outside) return threads
  const more = new Map(threads)
  more.delete(inside)
  more.set(inside, outside)
  if (more.size > mostThreads) more.delete(more.keys().next().value!)
  return more
}

function numberOf(pattern: RegExp, text: string): number | undefined {
  const match = pattern.exec(text)
  return match === null ? undefined : Number(match[1])
}

function nanoseconds(seconds: string, fraction: string): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/** The line that says by which id a thread goes outside its pid namespace, and inside. */
export function threadLine(outside: number, inside: number): string {
  return `# dualtrace thread : ${outside} ${inside}\n`
}

/** Whether the header says that only some events of this tracepoint were recorded: no durations can be computed from it. */
export function isSampledTracepoint(header: PerfHeader, name: string): boolean {
  return header.events.some((event) => event.name === name && event.isSampled)
}
