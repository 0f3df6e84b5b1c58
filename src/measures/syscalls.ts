import { GoState } from '../gotrace/index.js'
import { errnoName, isErrno } from '../perf/index.js'
import { holdsTimes } from '../timeline/fractions.js'
import type { Goroutine, TimelineView } from '../timeline/model.js'
import type { Measure } from './measure.js'
import { passingErrnos } from './passingErrnos.js'
import { quantileColumns, quantileValues } from './quantiles.js'
import { Buckets, type Seconds } from './seconds.js'
import { type FinishedSyscall, isSyscallEvent, type OpenSyscall, Pairing, SyscallPairs } from './syscallPairs.js'
import type { Table } from './table.js'

export const syscallsTable: Table = {
  name: 'syscalls',
  doc: 'System calls that returned in a second, one row a name; only calls that perf recorded',
  columns: [
    { name: 'name', type: 'symbol', doc: 'name of the system call, nr_N where only its number is known' },
    { name: 'count', type: 'long', doc: 'calls that returned in this second' },
    { name: 'errors', type: 'long', doc: 'of these, how many returned an error' },
    { name: 'errnos', type: 'text', doc: 'JSON: errors by name, most frequent first; null when there are none' },
    { name: 'total_ns', type: 'long', doc: 'from enter to exit, summed, ns; the sum of the next three' },
    { name: 'cpu_ns', type: 'long', doc: 'of this, on a CPU, ns' },
    { name: 'blocked_ns', type: 'long', doc: 'of this, off the CPU, ns' },
    { name: 'unknown_ns', type: 'long', doc: 'of this, not known because switches were not recorded, ns' },
    ...quantileColumns('duration', 'one call, enter to exit'),
    { name: 'top_fds', type: 'text', doc: 'JSON: the file descriptors with the most time, [{fd, count, ns}]' },
    {
      name: 'slowest',
      type: 'text',
      doc: 'JSON: the longest call, {goroutine, function, tid, fd, ended_ns, stack}: who made it (null: no goroutine on its thread), when it returned after ts; stack: functions, root first, when it took longer than the threshold and Go told of it',
    },
    {
      name: 'error_functions',
      type: 'text',
      doc: 'JSON: functions that goroutines with failed calls were started with, most failures first, [{function, errno, count}]; EAGAIN and the like do not count',
    },
    { name: 'unpaired', type: 'long', doc: 'enters or exits whose other half is missing; not counted above' },
  ],
  keys: ['name'],
  ttlDays: 30,
}

const fdsShown = 3
const functionsShown = 3

/** The longest call. */
interface Slowest {
  ns: number
  goid: number
  func: string
  tid: number
  fd: number
  exitNs: number
  stack: string
}

interface Calls {
  readonly durationsNs: number[]
  readonly errnos: Map<number, number>
  readonly fds: Map<number, { count: number; ns: number }>
  /** Function ('' = not known) → return value → calls that failed so. */
  readonly failures: Map<string, Map<number, number>>
  readonly slowest: Slowest
  totalNs: number
  cpuNs: number
  blockedNs: number
  unpaired: number
}

interface State {
  readonly open: Map<number, OpenSyscall>
  readonly seconds: Seconds<Map<string, Calls>>
}

export const syscalls: Measure = {
  name: 'syscalls',
  tables: [syscallsTable],
  create(sink, { slowSyscallNs }, saved) {
    const state = (saved ?? { open: new Map(), seconds: new Map() }) as State
    const buckets = new Buckets(state.seconds, sink, () => new Map<string, Calls>())
    const pairs = new SyscallPairs(state.open)
    const callsAt = (atNs: number, name: string): Calls => {
      const byName = buckets.at(atNs)
      let calls = byName.get(name)
      if (calls === undefined) byName.set(name, (calls = noCalls()))
      return calls
    }
    return {
      state,
      wantsPerfEvent: isSyscallEvent,
      perfSample(record, reader, atNs, view) {
        const found = pairs.sample(record, reader, atNs, view)
        if (found === Pairing.Finished) count(callsAt(atNs, pairs.finished.name), pairs.finished, view, slowSyscallNs)
        else if (found === Pairing.Unpaired) callsAt(atNs, pairs.unpaired).unpaired++
      },
      threadEnded: (tid) => void state.open.delete(tid),
      lost: () => pairs.forget(),
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          for (const name of [...bucket.keys()].sort()) {
            sink.row(syscallsTable, startNs, { name, ...valuesOf(bucket.get(name)!, startNs) })
          }
        }
      },
    }
  },
}

function noCalls(): Calls {
  return {
    ...{ durationsNs: [], errnos: new Map(), fds: new Map(), failures: new Map(), slowest: noCall() },
    ...{ totalNs: 0, cpuNs: 0, blockedNs: 0, unpaired: 0 },
  }
}
holdsTimes(noCalls(), 'totalNs', 'cpuNs', 'blockedNs')

function noCall(): Slowest {
  return { ns: -1, goid: -1, func: '', tid: -1, fd: -1, exitNs: NaN, stack: '' }
}

function count(calls: Calls, call: FinishedSyscall, view: TimelineView, slowNs: number): void {
  const { enterNs, exitNs, ret, fd, cpuNs, blockedNs } = call
  const ns = exitNs - enterNs
  if (ns > calls.slowest.ns) noteSlowest(calls.slowest, call, view, slowNs)
  calls.durationsNs.push(ns)
  calls.totalNs += ns
  calls.cpuNs += cpuNs
  calls.blockedNs += blockedNs
  if (isErrno(ret)) {
    calls.errnos.set(ret, (calls.errnos.get(ret) ?? 0) + 1)
    if (!passingErrnos.has(errnoName(ret))) noteFailure(calls, call, view)
  }
  if (fd < 0) return
  const known = calls.fds.get(fd)
  if (known === undefined) calls.fds.set(fd, { count: 1, ns })
  else {
    known.count++
    known.ns += ns
  }
}

function noteSlowest(
  slowest: Slowest,
  { tid, enterNs, exitNs, fd }: FinishedSyscall,
  view: TimelineView,
  slowNs: number,
) {
  const goroutine = callerOf(tid, view)
  slowest.ns = exitNs - enterNs
  slowest.goid = goroutine?.goid ?? -1
  slowest.func = goroutine?.startFunc ?? ''
  slowest.tid = tid
  slowest.fd = fd
  slowest.exitNs = exitNs
  // Of a call that Go does not tell of, its stack would be that of an earlier wait.
  const stackIsOfCall = goroutine?.state === GoState.Syscall
  slowest.stack = slowest.ns >= slowNs && stackIsOfCall ? goroutine.waitStack : ''
}

function noteFailure({ failures }: Calls, { tid, ret }: FinishedSyscall, view: TimelineView): void {
  const func = callerOf(tid, view)?.startFunc ?? ''
  let byErrno = failures.get(func)
  if (byErrno === undefined) failures.set(func, (byErrno = new Map<number, number>()))
  byErrno.set(ret, (byErrno.get(ret) ?? 0) + 1)
}

/** The goroutine that the thread carries: also in a system call, until Go gives it to another thread. */
function callerOf(tid: number, { threads, goroutines }: TimelineView): Goroutine | undefined {
  const goid = threads.get(tid)?.goid ?? -1
  return goid < 0 ? undefined : goroutines.get(goid)
}

function valuesOf(calls: Calls, startNs: number) {
  const { slowest } = calls
  const errnos = [...calls.errnos].sort((a, b) => b[1] - a[1] || b[0] - a[0])
  const fds = [...calls.fds].sort((a, b) => b[1].ns - a[1].ns || a[0] - b[0]).slice(0, fdsShown)
  return {
    count: calls.durationsNs.length,
    errors: errnos.reduce((sum, [, times]) => sum + times, 0),
    errnos: errnos.length === 0 ? null : JSON.stringify(Object.fromEntries(errnos.map(([r, n]) => [errnoName(r), n]))),
    total_ns: calls.totalNs,
    cpu_ns: calls.cpuNs,
    blocked_ns: calls.blockedNs,
    unknown_ns: calls.totalNs - calls.cpuNs - calls.blockedNs,
    ...quantileValues('duration', calls.durationsNs),
    top_fds:
      fds.length === 0 ? null : JSON.stringify(fds.map(([fd, { count: times, ns }]) => ({ fd, count: times, ns }))),
    slowest: slowest.ns < 0 ? null : JSON.stringify(slowestValue(slowest, startNs)),
    error_functions: failuresText(calls),
    unpaired: calls.unpaired,
  }
}

/** What `slowest` holds as JSON. */
export interface SlowestCall {
  readonly goroutine: number | null
  readonly function: string | null
  readonly tid: number
  readonly fd: number | null
  /** From ts to its return, ns. */
  readonly ended_ns: number
  readonly stack?: string
}

function slowestValue({ goid, func, tid, fd, exitNs, stack }: Slowest, startNs: number): SlowestCall {
  return {
    goroutine: goid < 0 ? null : goid,
    function: func === '' ? null : func,
    tid,
    fd: fd < 0 ? null : fd,
    ended_ns: exitNs - startNs,
    ...(stack === '' ? {} : { stack }),
  }
}

/** One entry of `error_functions`. */
export interface FailingFunction {
  readonly function: string | null
  readonly errno: string
  readonly count: number
}

function failuresText({ failures }: Calls): string | null {
  const all = [...failures].flatMap(([func, byErrno]) => [...byErrno].map(([ret, count]) => ({ func, ret, count })))
  all.sort((a, b) => b.count - a.count || (a.func < b.func ? -1 : a.func > b.func ? 1 : b.ret - a.ret))
  const shown: FailingFunction[] = all
    .slice(0, functionsShown)
    .map(({ func, ret, count }) => ({ function: func === '' ? null : func, errno: errnoName(ret), count }))
  return shown.length === 0 ? null : JSON.stringify(shown)
}
