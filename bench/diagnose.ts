import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, rmSync, statSync } from 'node:fs'
import { loadavg } from 'node:os'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { perfScriptArgs } from '../src/perf/index.js'
import { databaseArgs, startDatabases } from '../test/support/databases.js'
import { buildWorkload, startWorkload } from '../test/support/workloads.js'
import { type Bench, median } from './bench.js'

const seconds = Number(process.env['DIAGNOSE_SECONDS'] ?? 20)
const rounds = Number(process.env['DIAGNOSE_ROUNDS'] ?? 3)
const output = resolve('.dualtrace/bench')

/** A service that is as busy as it can be on this machine. */
interface Service {
  readonly name: 'messenger' | 'rpc'
  readonly what: string
}

const services: readonly Service[] = [
  { name: 'messenger', what: 'Redis and MariaDB behind HTTP' },
  { name: 'rpc', what: 'channels behind HTTP, so that there is far more in the Go trace for each record of perf' },
]

/**
 * Every system call of a busy service with its stack, read by `diagnose` from a pipe, against the `perf script` that writes them: to nowhere, and
 * into a pipe that is read, which is what a pipe alone costs, and into a file, which is what one does without `diagnose`. `DIAGNOSE_KEEP=1` takes the captures that are there.
 */
export const bench: Bench = {
  name: 'diagnose',
  async run() {
    mkdirSync(output, { recursive: true })
    for (const service of services) await compare(service)
  },
}

async function compare({ name, what }: Service): Promise<void> {
  const files = filesOf(name)
  const { data, trace, text } = files
  const isThere = statSync(data, { throwIfNoEntry: false }) !== undefined
  if (process.env['DIAGNOSE_KEEP'] !== '1' || !isThere) await recordCapture(name, files)
  const script = ['perf', ...perfScriptArgs(data), '2>/dev/null'].join(' ')
  const diagnose = `${process.execPath} ${withRss} diagnose --perf - --trace ${trace}`
  const [alone, piped, stored, joined]: [Run[], Run[], Run[], Run[]] = [[], [], [], []]
  let textMb = 0
  for (let round = 0; round < rounds; round++) {
    alone.push(timed(`${script} > /dev/null`))
    piped.push(timed(`${script} | cat > /dev/null`))
    stored.push(timed(`${script} > ${text}`))
    textMb = mb(text)
    rmSync(text)
    joined.push(timed(`${script} | ${diagnose} > /dev/null`))
  }
  const ratiosTo = (others: readonly Run[]) => joined.map((run, round) => run.wallS / others[round]!.wallS)
  const ratioLine = (to: string, ratios: readonly number[]) =>
    `  wall time as a multiple of ${to}: ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})\n`
  const line = (of: string, runs: readonly Run[]) =>
    `  ${of.padEnd(36)} ${median(runs.map((run) => run.wallS)).toFixed(1)} s   ${median(runs.map((run) => run.cpuS)).toFixed(1)} s CPU\n`
  process.stdout.write(
    `diagnose, workload ${name} (${what}): ${seconds} s, ${mb(data).toFixed(0)} MB perf.data, ${textMb.toFixed(0)} MB of text, ${mb(trace).toFixed(0)} MB trace; ` +
      `median of ${rounds} by turns, load ${loadavg()[0]!.toFixed(1)}\n` +
      line('perf script alone', alone) +
      line('perf script | cat', piped) +
      line('perf script > FILE', stored) +
      line('perf script | dualtrace diagnose', joined) +
      ratioLine('perf script alone', ratiosTo(alone)) +
      ratioLine('perf script | cat', ratiosTo(piped)) +
      ratioLine('perf script > FILE', ratiosTo(stored)) +
      `  peak of diagnose ${median(joined.map((run) => run.rssMiB!)).toFixed(0)} MiB\n`,
  )
}

const withRss = fileURLToPath(new URL('withRss.js', import.meta.url))

interface Files {
  readonly data: string
  readonly trace: string
  readonly text: string
}

function filesOf(name: string): Files {
  const base = `${output}/diagnose-${name}`
  return { data: `${base}.data`, trace: `${base}.trace`, text: `${base}.txt` }
}

interface Run {
  readonly wallS: number
  readonly cpuS: number
  /** Peak memory that the last line of stderr tells. */
  readonly rssMiB: number | undefined
}

function mb(path: string): number {
  return statSync(path).size / 1e6
}

function timed(command: string): Run {
  const { stderr, status } = spawnSync('/usr/bin/time', ['-f', '%e %U %S', 'sh', '-c', command], { encoding: 'utf8' })
  // 3: part of the input was unusable, as perf loses records when it is asked for so much.
  if (status !== 0 && status !== 3) throw new Error(`${command} failed: ${stderr}`)
  const lines = stderr
    .trim()
    .split('\n')
    .filter((each) => /^[\d. ]+$/.test(each))
  const [wallS, userS, sysS] = lines.at(-1)!.split(' ').map(Number)
  return { wallS: wallS!, cpuS: userS! + sysS!, rssMiB: lines.length > 1 ? Number(lines.at(-2)) / 1024 : undefined }
}

async function recordCapture(name: Service['name'], { data, trace }: Files): Promise<void> {
  const databases = name === 'messenger' ? await startDatabases() : undefined
  const workload = await startWorkload(buildWorkload(name), [
    ...['-duration', `${seconds + 10}s`, '-rate', '1000000', '-clients', '32'],
    ...(databases === undefined ? [] : databaseArgs(databases)),
  ])
  const events = ['cpu-clock/freq=499,call-graph=fp/', 'sched:sched_switch/call-graph=fp/', 'sched:sched_waking']
  // Both tracepoints see every call; attaching to the hundreds of `syscalls:*` takes perf longer than the recording.
  for (const side of ['enter', 'exit']) events.push(`raw_syscalls:sys_${side}/call-graph=fp/`)
  const perf = spawn(
    'perf',
    // prettier-ignore
    ['record', '-q', '-o', data, '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '--switch-events', '-m', '16M',
      ...events.flatMap((event) => ['-e', event]), '-p', String(workload.pid)],
    { stdio: 'ignore' },
  )
  const ended = once(perf, 'close')
  try {
    const response = await fetch(`${workload.pprof}trace?seconds=${seconds}`)
    await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(trace))
  } finally {
    perf.kill('SIGINT')
    await ended
    await workload.stop()
    await databases?.stop()
  }
}
