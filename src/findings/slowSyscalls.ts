import { bucketAt, type Seconds, takeEnded } from '../measures/seconds.js'
import { type SlowestCall, syscallsTable } from '../measures/syscalls.js'
import type { Detector, Finding, Values } from './finding.js'
import { formatCount, formatNs, formatShare, innerFrames, nameGoroutine } from './units.js'

const framesShown = 4

/** Calls that no caller makes in order to wait. read, accept, poll and the like may wait as long as they want. */
const prompt = new Set([
  ...['open', 'openat', 'openat2', 'close', 'stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'access', 'faccessat'],
  ...['pread64', 'preadv', 'write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg', 'sendfile'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'ftruncate', 'truncate', 'fallocate', 'getdents64'],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'link', 'linkat'],
  ...['mmap', 'munmap', 'mprotect', 'madvise', 'mremap', 'brk', 'clone', 'clone3', 'execve'],
])

type Row = Readonly<{ values: Values; maxNs: number }>

/** A system call that should return soon took long: one finding a second, about the slowest. */
export const slowSyscalls: Detector = {
  name: 'slow_syscalls',
  hears: [syscallsTable],
  create(raise, thresholds, sink, saved) {
    const state = (saved ?? new Map()) as Seconds<Row[]>
    return {
      state,
      row(_table, atNs, values) {
        const maxNs = (values['duration_max_ns'] ?? 0) as number
        if (maxNs < thresholds.slowSyscallNs || !prompt.has(values['name'] as string)) return
        bucketAt(state, sink, atNs, () => []).push({ values, maxNs })
      },
      flush(beforeNs) {
        for (const { startNs, bucket } of takeEnded(state, sink, beforeNs)) {
          raise(explain(bucket, startNs, thresholds.slowSyscallNs * thresholds.criticalFactor))
        }
      },
    }
  },
}

function explain(bucket: readonly Row[], startNs: number, criticalNs: number): Finding {
  const [worst, ...others] = [...bucket].sort((a, b) => b.maxNs - a.maxNs)
  const { values, maxNs } = worst!
  const ns = (column: string) => values[column] as number
  const name = values['name'] as string
  const blockedShare = ns('blocked_ns') / ns('total_ns')
  const kernel = [
    `${formatCount(ns('count'), 'call')} of ${name} took ${formatNs(ns('total_ns'))} in all, p50 ${formatNs(ns('duration_p50_ns'))}, longest ${formatNs(maxNs)}`,
    `${formatShare(blockedShare)} of it off the CPU, ${formatNs(ns('cpu_ns'))} on a CPU`,
  ]
  const fds = JSON.parse((values['top_fds'] ?? '[]') as string) as { fd: number; count: number; ns: number }[]
  if (fds.length > 0) {
    kernel.push(`by file descriptor: ${fds.map((each) => `${each.fd} (${formatNs(each.ns)})`).join(', ')}`)
  }
  if (others.length > 0) {
    kernel.push(
      `also slow: ${others.map((each) => `${each.values['name'] as string} (${formatNs(each.maxNs)})`).join(', ')}`,
    )
  }
  const slowest = JSON.parse(values['slowest'] as string) as SlowestCall
  const endNs = startNs + slowest.ended_ns
  return {
    detector: slowSyscalls.name,
    severity: maxNs >= criticalNs ? 'critical' : 'warning',
    title: `${name} took ${formatNs(maxNs)}`,
    fromNs: endNs - maxNs,
    toNs: endNs,
    weightNs: maxNs,
    go: callerLines(name, slowest),
    kernel,
    next: nextStep(name, ns('cpu_ns') >= ns('blocked_ns')),
    facts: {
      name,
      count: ns('count'),
      max_ns: maxNs,
      total_ns: ns('total_ns'),
      cpu_ns: ns('cpu_ns'),
      blocked_ns: ns('blocked_ns'),
      fd: slowest.fd,
      tid: slowest.tid,
      goroutine: slowest.goroutine,
      function: slowest.function,
    },
  }
}

function callerLines(name: string, { goroutine, function: func, tid, stack }: SlowestCall): string[] {
  if (goroutine === null) return [`no goroutine was on thread ${tid}: the runtime, or C code, called ${name}`]
  const called = `${nameGoroutine(goroutine, func ?? '')} called it on thread ${tid}`
  return [stack === undefined ? called : `${called}, at ${innerFrames(stack, framesShown)}`]
}

function nextStep(name: string, worked: boolean): string {
  if (worked) {
    return 'the kernel worked all that time: the on_cpu flame graph below the call says at what (page tables, large copies, locks)'
  }
  if (/^(?:mmap|munmap|mprotect|madvise|mremap|brk|clone)/.test(name)) {
    return 'it waited in the kernel: for the lock of the address space, or for memory to be reclaimed; look at memory.pressure of the cgroup'
  }
  if (/^send/.test(name)) return 'it waited until the socket had room: look whether the peer reads, and at the network'
  return 'it waited in the kernel: look at the disk under that file (iostat -x), at its file system, and, for a pipe, at who reads from it'
}
