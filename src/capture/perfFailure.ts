import { UserError } from '../errors.js'

/** What perf prints on stderr when it cannot record, and the sentence a person needs instead. The first match counts. */
const failures: readonly (readonly [pattern: RegExp, sentence: string])[] = [
  [
    /unknown tracepoint|can't find tracepoint|tracing\/events.*not found|not found: .*\/tracing|debugfs|Unable to find.*tracefs|tracefs.*not mounted/i,
    'perf finds no kernel tracepoints: mount tracefs as root with `mount -t tracefs nodev /sys/kernel/tracing`',
  ],
  [
    /permission|not permitted|paranoid|CAP_PERFMON|EACCES|EPERM/i,
    'not permitted to record kernel events (kernel.perf_event_paranoid): run as root, or give the perf binary CAP_PERFMON and read access to /sys/kernel/tracing',
  ],
  [
    /No such process|ESRCH|Couldn't create thread\/CPU maps/i,
    'the process is gone: start it again and give its new --pid',
  ],
  [
    /mlock|Cannot allocate memory|ENOMEM/i,
    'perf could not get its ring buffers: raise kernel.perf_event_mlock_kb or give a smaller --buffer',
  ],
  [
    /Too many events are opened|EMFILE|Too many open files/i,
    'perf may not open enough files, one for each thread, event and CPU: raise the limit (ulimit -n, LimitNOFILE) or name fewer --syscalls',
  ],
  [
    /invalid or unsupported event|syntax error|unknown option/i,
    'this perf is too old for the events dualtrace needs: install perf 5.10 or newer',
  ],
]

/** Turns what perf said before it gave up into one sentence. */
export function perfFailure(stderr: string): UserError {
  const known = failures.find(([pattern]) => pattern.test(stderr))
  if (known !== undefined) return new UserError(known[1])
  const said = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('[ perf record') && !line.startsWith('Events '))
  return new UserError(
    `perf record failed: ${said.join(' ').slice(0, 300) || 'it said nothing; run it with --verbose'}`,
  )
}

export function perfMissing(): UserError {
  return new UserError(
    'perf is not installed or not on PATH: install it (Debian: apt-get install linux-perf; Ubuntu: linux-tools-$(uname -r); Fedora: perf)',
  )
}
