import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'

/**
 * Parts of the tests need programs or rights that not every machine has. A missing one skips with one line that says what and why;
 * under CI, which installs them all, it is a failure instead.
 */
type Suite = Mocha.Context

/** The Go tool chain, to build the workloads and to read traces with `go tool trace`. */
export function requireGo(suite: Suite): void {
  need(suite, answers('go', ['version']), 'Go is not installed')
}

/** One version of Go, which the installed one fetches when it is not there yet. */
export function requireToolchain(suite: Suite, toolchain: string): void {
  requireGo(suite)
  // Older versions do not know every flag that a machine may have set for all of them.
  const runs = answers('go', ['version'], { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: toolchain })
  need(suite, runs, `Go cannot fetch its version ${toolchain}`)
}

/** A C compiler, for programs that use cgo or are linked as those are. */
export function requireC(suite: Suite): void {
  need(suite, answers('cc', ['--version']), 'no C compiler (cc) is installed')
}

/** perf, and the right to record kernel tracepoints with it. */
export function requirePerf(suite: Suite): void {
  need(suite, answers('perf', ['--version']), 'perf is not installed')
  requireRoot(suite)
  // Listing tracepoints makes perf mount tracefs where it is not mounted yet.
  const listed = answers('perf', ['list', 'sched:sched_switch'])
  need(suite, listed && hasTracepoints(), 'this kernel shows no tracepoints in /sys/kernel/tracing')
}

/** Java, to run the real Kafka and QuestDB, and Maven, which fetches them. */
export function requireJava(suite: Suite): void {
  need(suite, answers('java', ['-version']), 'Java is not installed')
  need(suite, answers('mvn', ['-version']), 'Maven (mvn) is not installed')
}

/** openssl, to make certificates. */
export function requireOpenssl(suite: Suite): void {
  need(suite, answers('openssl', ['version']), 'openssl is not installed')
}

/** A header of the kernel's, as the C library has it. @returns where it lies, of these places */
export function requireHeader(suite: Suite, places: readonly string[]): string {
  const header = places.find((place) => existsSync(place))
  need(suite, header !== undefined, `${places[0]!} is not installed`)
  return header!
}

/** perl, which lets a pipe hold more. */
export function requirePerl(suite: Suite): void {
  need(suite, answers('perl', ['-e', '1']), 'perl is not installed')
}

/** Redis and MariaDB, which services have behind them. */
export function requireDatabases(suite: Suite): void {
  need(suite, answers('redis-server', ['--version']), 'Redis (redis-server) is not installed')
  need(suite, answers('mariadbd', ['--no-defaults', '--version']), 'MariaDB (mariadbd) is not installed')
}

/** Cargo, to install the programs of others that results are held against. */
export function requireCargo(suite: Suite): void {
  need(suite, answers('cargo', ['--version']), 'Cargo is not installed')
}

/** /proc and CLOCK_MONOTONIC as the kernel's own tools use them. */
export function requireLinux(suite: Suite): void {
  need(suite, process.platform === 'linux', 'it needs Linux')
}

/** unshare, and the right to make pid namespaces with it, as containers have them. */
export function requireNamespaces(suite: Suite): void {
  requireRoot(suite)
  need(suite, answers('unshare', ['--pid', '--fork', '--mount-proc', 'true']), 'no pid namespace can be made')
}

export function requireRoot(suite: Suite): void {
  need(suite, process.getuid?.() === 0, 'it needs root')
}

const told = new Set<string>()

function need(suite: Suite, present: boolean, reason: string): void {
  if (present) return
  const title = suite.currentTest?.title ?? suite.test?.title ?? 'a test'
  const line =
    `skipped: ${suite.test?.parent?.fullTitle() ?? ''} ${title.replace(/^"before all" hook.*/, '')}`.trimEnd()
  if (process.env['CI'] !== undefined) throw new Error(`${reason}, and under CI nothing is skipped`)
  if (!told.has(line + reason)) process.stdout.write(`${line} because ${reason}\n`)
  told.add(line + reason)
  suite.skip()
}

const answered = new Map<string, boolean>()

function answers(program: string, args: readonly string[], env = process.env): boolean {
  const key = [env['GOTOOLCHAIN'], program, ...args].join(' ')
  const known = answered.get(key)
  if (known !== undefined) return known
  const ok = spawnSync(program, args, { stdio: 'ignore', env }).status === 0
  answered.set(key, ok)
  return ok
}

function hasTracepoints(): boolean {
  return ['/sys/kernel/tracing/events/sched', '/sys/kernel/debug/tracing/events/sched'].some((folder) => {
    try {
      return readdirSync(folder).includes('sched_switch')
    } catch {
      return false
    }
  })
}
