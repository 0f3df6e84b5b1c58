import { errnoName, isErrno } from '../perf/index.js'
import type { Measure } from './measure.js'
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
    { name: 'unpaired', type: 'long', doc: 'enters or exits whose other half is missing; not counted above' },
  ],
  keys: ['name'],
  ttlDays: 30,
}

const fdsShown = 3

interface Calls {
  readonly durationsNs: number[]
  readonly errnos: Map<number, number>
  readonly fds: Map<number, { count: number; ns: number }>
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
  create(sink, _thresholds, saved) {
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
        if (found === Pairing.Finished) count(callsAt(atNs, pairs.finished.name), pairs.finished)
        else if (found === Pairing.Unpaired) callsAt(atNs, pairs.unpaired).unpaired++
      },
      lost: () => pairs.forget(),
      flush(beforeNs) {
        for (const { startNs, bucket } of buckets.takeEnded(beforeNs)) {
          for (const name of [...bucket.keys()].sort()) {
            sink.row(syscallsTable, startNs, { name, ...valuesOf(bucket.get(name)!) })
          }
        }
      },
    }
  },
}

function noCalls(): Calls {
  return { durationsNs: [], errnos: new Map(), fds: new Map(), totalNs: 0, cpuNs: 0, blockedNs: 0, unpaired: 0 }
}

function count(calls: Calls, { enterNs, exitNs, ret, fd, cpuNs, blockedNs }: FinishedSyscall): void {
  const ns = exitNs - enterNs
  calls.durationsNs.push(ns)
  calls.totalNs += ns
  calls.cpuNs += cpuNs
  calls.blockedNs += blockedNs
  if (isErrno(ret)) calls.errnos.set(ret, (calls.errnos.get(ret) ?? 0) + 1)
  if (fd < 0) return
  const known = calls.fds.get(fd)
  if (known === undefined) calls.fds.set(fd, { count: 1, ns })
  else {
    known.count++
    known.ns += ns
  }
}

function valuesOf(calls: Calls) {
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
    unpaired: calls.unpaired,
  }
}
