import { passingErrnos } from '../measures/passingErrnos.js'
import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import { type FailingFunction, syscallsTable } from '../measures/syscalls.js'
import type { Detector, Finding } from './finding.js'
import { formatCount, formatNs, formatShare, shortFunc } from './units.js'

/** One is enough: something has run out, and what needs it fails. */
const exhausted = new Set(['EMFILE', 'ENFILE', 'ENOSPC', 'EDQUOT', 'EIO', 'EROFS'])

/** Errors by which a call answers a question, or that Go’s runtime and library expect. */
const expected: Readonly<Record<string, readonly string[]>> = {
  futex: ['ETIMEDOUT'],
  // os.Open asks for every file whether it can be polled; a regular one cannot.
  epoll_ctl: ['EPERM', 'EEXIST'],
  getpeername: ['ENOTCONN'],
  ioctl: ['ENOTTY'],
  madvise: ['EINVAL'],
  readlink: ['EINVAL'],
  readlinkat: ['EINVAL'],
  rt_sigtimedwait: ['ETIMEDOUT'],
  shutdown: ['ENOTCONN'],
  wait4: ['ECHILD'],
  waitid: ['ECHILD'],
}

interface Failed {
  readonly name: string
  readonly calls: number
  readonly errors: number
  readonly errnos: readonly (readonly [name: string, count: number])[]
  readonly functions: readonly FailingFunction[]
  readonly totalNs: number
  readonly exhausted: boolean
}

/** Calls of one name that fail again and again, or because something has run out: one finding a second, about the worst. */
export const syscallErrors: Detector = {
  name: 'syscall_errors',
  hears: [syscallsTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Failed[]>
    return {
      state,
      row(_table, atNs, values) {
        if (values['errnos'] === null) return
        const name = values['name'] as string
        const byErrno = Object.entries(JSON.parse(values['errnos'] as string) as Record<string, number>)
        const errnos = byErrno.filter(
          ([errno]) => !passingErrnos.has(errno) && expected[name]?.includes(errno) !== true,
        )
        const errors = errnos.reduce((sum, [, count]) => sum + count, 0)
        const calls = values['count'] as number
        const isExhausted = errnos.some(([errno]) => exhausted.has(errno))
        const isStorm = errors >= thresholds.syscallErrors && errors / calls >= thresholds.syscallErrorShare
        if (!isExhausted && !isStorm) return
        const all = JSON.parse((values['error_functions'] ?? '[]') as string) as FailingFunction[]
        const functions = all.filter(({ errno }) => errnos.some(([each]) => each === errno))
        const totalNs = values['total_ns'] as number
        const failed = { name, calls, errors, errnos, functions, totalNs, exhausted: isExhausted }
        bucketAt(state, sink, atNs, () => []).push(failed)
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of takeEnded(state, sink, beforeNs)) raise(explain(bucket, startNs))
      },
    }
  },
}

/** What to do about the most frequent errors. */
const nextSteps: Readonly<Record<string, string>> = {
  EMFILE:
    'the process has no file descriptor left: raise its limit (ulimit -n), or find what it opens and does not close',
  ENFILE: 'the host has no file descriptor left (fs.file-max): find the process that holds them',
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the disk quota is used up: make room',
  EIO: 'the disk reports errors: look at the kernel log',
  EROFS: 'the file system is read-only, which errors of the disk cause too: look at the kernel log',
  ECONNREFUSED: 'nobody listens where it connects to: look whether that service is up',
  ECONNRESET: 'the peer closes its connections: look at its log, its restarts and its idle timeout',
  EPIPE: 'it writes to connections that the peer has closed: look at the peer’s log and its idle timeout',
  ENOENT: 'it looks for files that are not there, again and again: perf trace -p PID shows the paths',
  EACCES: 'it is not permitted to: look at file modes, capabilities and seccomp',
  EPERM: 'it is not permitted to: look at file modes, capabilities and seccomp',
}

function explain(bucket: readonly Failed[], fromNs: number): Finding {
  const [worst, ...others] = [...bucket].sort(
    (a, b) => Number(b.exhausted) - Number(a.exhausted) || b.errors - a.errors || (a.name < b.name ? -1 : 1),
  )
  const { name, calls, errors, errnos, functions, totalNs } = worst!
  const errno = (errnos.find(([each]) => exhausted.has(each)) ?? errnos[0]!)[0]
  const wastedNs = (totalNs / calls) * errors
  const kernel = [
    `${formatCount(errors, 'failed call')} of ${calls.toLocaleString('en-US')} ${name} in this second: ${errnos.map(([each, count]) => `${each} ×${count.toLocaleString('en-US')}`).join(', ')}`,
  ]
  if (others.length > 0) {
    kernel.push(
      `also failing: ${others.map((each) => `${each.name} ${each.errnos[0]![0]} ×${each.errors}`).join(', ')}`,
    )
  }
  return {
    detector: syscallErrors.name,
    severity: worst!.exhausted ? 'critical' : 'warning',
    title: `${name} fails: ${errno}, ${formatCount(errors, 'time')} in this second (${formatShare(errors / calls)} of its calls)`,
    fromNs,
    toNs: fromNs + 1e9,
    weightNs: Math.round(wastedNs),
    go: [...callerLines(functions), `about ${formatNs(wastedNs)} went into calls that failed`],
    kernel,
    next: nextSteps[errno] ?? `look up ${errno} in the manual of ${name}(2); perf trace -p PID shows the arguments`,
    facts: {
      ...{ name, errno, errors, calls, share: Math.round((errors / calls) * 1e4) / 1e4 },
      function: functions[0]?.function ?? null,
    },
  }
}

function callerLines(functions: readonly FailingFunction[]): string[] {
  if (functions.length === 0) return []
  const names = functions.map(
    ({ function: func, errno, count }) =>
      `${func === null ? 'no known goroutine' : shortFunc(func)} (${errno} ×${count.toLocaleString('en-US')})`,
  )
  return [`goroutines whose calls failed, by what they were started with: ${names.join(', ')}`]
}
