import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { perfScriptArgs } from '../src/perf/index.js'
import { infernoVersion, installInferno } from '../test/support/inferno.js'
import { type Bench, median } from './bench.js'

const output = resolve('.dualtrace/bench')
const rounds = 5
const wantedBytes = 500e6
/** At least this much is read to find where the last record ends. */
const tailBytes = 1 << 20
const cli = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/** Folding CPU samples against those who do it today, and tracepoints with stacks against the perf that writes them. */
export const bench: Bench = {
  name: 'fold',
  run() {
    mkdirSync(output, { recursive: true })
    compareOnSamples()
    compareOnTracepoints()
    return Promise.resolve()
  },
}

/** One run of a program, as GNU time tells it. */
interface Run {
  readonly cpuS: number
  readonly wallS: number
  readonly rssMiB: number
}

/** The Go compiler at work: a real program with deep stacks, and many different ones. */
function compareOnSamples(): void {
  const text = `${output}/samples.txt`
  const event = ['-e', 'cpu-clock/freq=9999,call-graph=fp/']
  const cache = `${output}/gocache`
  const build = ['timeout', '60', 'env', `GOCACHE=${cache}`, 'go', 'build', '-a', '-o', '/dev/null', 'std', 'cmd/go']
  const recordedBytes = textOf(perfData('samples', event, build), text)
  rmSync(cache, { recursive: true, force: true })
  const sizeBytes = sizeTo(text, recordedBytes)

  const inferno = [installInferno(), '-n', '1', text]
  const perl = stackcollapse()
  checkSame(text, inferno)
  const peers: readonly (readonly [string, readonly string[]])[] = [
    ['dualtrace fold', [process.execPath, cli, 'fold', text]],
    [`inferno-collapse-perf ${infernoVersion} -n 1`, inferno],
    ...(perl === undefined ? [] : [['stackcollapse-perf.pl', ['perl', perl, text]] as const]),
  ]
  const runs = byTurns(peers.map(([, command]) => command))
  process.stdout.write(
    `fold: ${(sizeBytes / 1e6).toFixed(0)} MB of cpu-clock stacks (${(recordedBytes / 1e6).toFixed(0)} MB recorded), median of ${rounds} by turns\n`,
  )
  peers.forEach(([name], i) => printRun(name, runs[i]!, sizeBytes))
  const cpuS = runs.map((own) => median(own.map((run) => run.cpuS)))
  process.stdout.write(`  ratio of CPU time: inferno ${(cpuS[1]! / cpuS[0]!).toFixed(2)}`)
  process.stdout.write(
    perl === undefined
      ? '; stackcollapse-perf.pl was not measured, as it is not on the PATH\n'
      : `, stackcollapse-perf.pl ${(cpuS[2]! / cpuS[0]!).toFixed(2)}\n`,
  )
}

function compareOnTracepoints(): void {
  const program = `${output}/traces`
  execFileSync('go', ['build', '-trimpath', '-o', program, './traces'], { cwd: 'test/workloads', stdio: 'inherit' })
  const events = ['enter', 'exit'].flatMap((side) => ['-e', `syscalls:sys_${side}_*/call-graph=fp/`])
  const work = [program, '-out', `${output}/traces.trace`, '-work', 'network,syscalls', '-for', '6s']
  const data = perfData('tracepoints', events, work)
  const text = `${output}/tracepoints.txt`
  const recordedBytes = textOf(data, text)
  const sizeBytes = sizeTo(text, recordedBytes)
  const [fold, script] = byTurns([
    [process.execPath, cli, 'fold', '--all', text],
    ['perf', ...scriptArgs(data)],
  ]) as [Run[], Run[]]
  process.stdout.write(
    `fold: ${(sizeBytes / 1e6).toFixed(0)} MB of system calls with stacks, median of ${rounds} by turns\n`,
  )
  printRun('dualtrace fold --all', fold, sizeBytes)
  printRun('perf script, writing it', script, recordedBytes)
  const ratio = (time: (run: Run) => number) =>
    ((sizeBytes * median(script.map(time))) / (recordedBytes * median(fold.map(time)))).toFixed(2)
  process.stdout.write(
    `  ratio of MB/s ${ratio((run) => run.wallS)}, of MB per second of CPU time ${ratio((run) => run.cpuS)}\n`,
  )
}

function perfData(name: string, events: readonly string[], command: readonly string[]): string {
  const data = `${output}/${name}.data`
  const record = ['record', '-q', '-o', data, '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', '16M', ...events]
  // The command may be ended by its time limit: what was recorded until then is what is wanted.
  const { stderr } = spawnSync('perf', [...record, '--', ...command], { encoding: 'utf8' })
  if (statSync(data, { throwIfNoEntry: false }) === undefined) throw new Error(`perf recorded nothing: ${stderr}`)
  return data
}

/** Samples only, as the peers know no other records. */
function scriptArgs(data: string): string[] {
  return perfScriptArgs(data).filter((arg) => !arg.startsWith('--show') && arg !== '--header')
}

/** @returns size of the text */
function textOf(data: string, text: string): number {
  const fd = openSync(text, 'w')
  const { status, stderr } = spawnSync('perf', scriptArgs(data), { stdio: ['ignore', fd, 'pipe'], encoding: 'utf8' })
  const { size } = fstatSync(fd)
  closeSync(fd)
  if (status !== 0) throw new Error(`perf script failed: ${stderr}`)
  return size
}

/** Cuts a text behind a record to about the wanted size, or repeats all of it until it has that. @returns its size */
function sizeTo(text: string, sizeBytes: number): number {
  if (sizeBytes > wantedBytes + tailBytes) truncateSync(text, recordEnd(text, wantedBytes))
  else {
    const once = readFileSync(text)
    for (let size = sizeBytes; size < wantedBytes; size += sizeBytes) appendFileSync(text, once)
  }
  return statSync(text).size
}

/** Position of the first end of a record from `from` on. */
function recordEnd(text: string, from: number): number {
  const fd = openSync(text, 'r')
  const tail = Buffer.alloc(tailBytes)
  const length = readSync(fd, tail, 0, tailBytes, from)
  closeSync(fd)
  return from + tail.subarray(0, length).indexOf('\n\n') + 2
}

/** No registry has it, so it is measured where someone has put it. */
function stackcollapse(): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'stackcollapse-perf.pl'))
  return places.find((place) => statSync(place, { throwIfNoEntry: false })?.isFile())
}

/** Both must find the same stacks, or their times say nothing. inferno leaves out samples without a stack. */
function checkSame(text: string, inferno: readonly string[]): void {
  const [ours, theirs] = [[process.execPath, cli, 'fold', text], inferno].map(([program, ...args]) => {
    const { stdout } = spawnSync(program!, args, { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] })
    let stacks = 0
    let weight = 0
    for (const line of stdout.toString('latin1').split('\n')) {
      if (!line.includes(';')) continue
      stacks++
      weight += Number(line.slice(line.lastIndexOf(' ')))
    }
    return `${stacks} stacks of weight ${weight}`
  })
  if (ours !== theirs) throw new Error(`we found ${ours} and inferno ${theirs}`)
}

function byTurns(commands: readonly (readonly string[])[]): Run[][] {
  const runs: Run[][] = commands.map(() => [])
  for (let round = 0; round < rounds; round++) commands.forEach((command, i) => runs[i]!.push(run(command)))
  return runs
}

function run(command: readonly string[]): Run {
  const timed = spawnSync('/usr/bin/time', ['-f', '%U %S %e %M', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (timed.error !== undefined) throw new Error('this needs GNU time as /usr/bin/time (the package "time")')
  if (timed.status !== 0) throw new Error(`${command.join(' ')} failed: ${timed.stderr}`)
  const [userS, sysS, wallS, rssKiB] = timed.stderr.trim().split('\n').at(-1)!.split(' ').map(Number)
  return { cpuS: userS! + sysS!, wallS: wallS!, rssMiB: rssKiB! / 1024 }
}

function printRun(name: string, runs: readonly Run[], sizeBytes: number): void {
  const wallS = median(runs.map((run) => run.wallS))
  process.stdout.write(
    `  ${name.padEnd(38)} ${median(runs.map((run) => run.cpuS)).toFixed(2)} s CPU   ${(sizeBytes / 1e6 / wallS).toFixed(0)} MB/s   ` +
      `of ${(sizeBytes / 1e6).toFixed(0)} MB   peak ${Math.max(...runs.map((run) => run.rssMiB)).toFixed(0)} MiB\n`,
  )
}
