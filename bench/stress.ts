import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goBuild } from '../test/gotrace/support/goTool.js'
import type { Bench } from './bench.js'
import { Random } from './random.js'

const seconds = Number(process.env['STRESS_SECONDS'] ?? 120)
const seed = Number(process.env['STRESS_SEED'] ?? Date.now() % 1e9)
const output = resolve('.dualtrace/bench')
const cli = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))
/** What we and Go make of the last trace; kept when they differ. */
const ours = `${output}/stress.ours`
const theirs = `${output}/stress.theirs`
const toolchains = ['go1.22.12', 'go1.23.12', 'go1.24.9', 'go1.25.4', 'go1.26.8']
const works = ['annotations', 'channels', 'churn', 'garbage', 'network', 'procs', 'sleepers', 'syscalls', 'threads']

/** Workloads with random parameters, for a bounded time: every trace must be told as `go tool trace -d=parsed` tells it, stacks included. */
export const bench: Bench = {
  name: 'stress',
  run() {
    mkdirSync(output, { recursive: true })
    process.stdout.write(`stress: ${seconds} s, STRESS_SEED=${seed}\n`)
    const random = new Random(seed)
    const endMs = performance.now() + seconds * 1000
    let traces = 0
    let bytes = 0
    while (performance.now() < endMs) {
      bytes += oneTrace(random)
      traces++
    }
    for (const text of [ours, theirs]) rmSync(text, { force: true })
    process.stdout.write(`  ${traces} traces, ${(bytes / 1e6).toFixed(0)} MB, all equal\n`)
    return Promise.resolve()
  },
}

/** Records one trace and compares it; returns its size in bytes. */
function oneTrace(random: Random): number {
  const toolchain = random.of(toolchains)
  const chosen = works.filter(() => random.below(3) === 0)
  const args = ['-work', chosen.length === 0 ? 'all' : chosen.join(','), '-for', `${50 + random.below(1500)}ms`]
  if (random.below(2) === 0) args.push('-cpuprofile')
  const env = {
    GOMAXPROCS: String(1 + random.below(16)),
    GOGC: random.of(['5', '50', '100', 'off']),
    GODEBUG: random.of(['', 'asyncpreemptoff=1', 'gcstoptheworld=1']),
  }
  const path = `${output}/stress.trace`
  const program = goBuild(output, 'traces', toolchain)
  execFileSync(program, ['-out', path, ...args], { env: { ...process.env, ...env } })
  // Through files, because a busy trace with its stacks is gigabytes of text.
  into(ours, process.execPath, [cli, 'dump', '--stacks', path])
  into(theirs, 'go', ['tool', 'trace', '-d=parsed', path])
  if (spawnSync('cmp', [ours, theirs]).status !== 0) {
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    throw new Error(`${path} of ${toolchain} is told differently: ${settings.join(' ')} traces ${args.join(' ')}`)
  }
  return statSync(path).size
}

/** Runs a program with its output in a file. */
function into(file: string, command: string, args: readonly string[]): void {
  const descriptor = openSync(file, 'w')
  try {
    execFileSync(command, args, { stdio: ['ignore', descriptor, 'inherit'] })
  } finally {
    closeSync(descriptor)
  }
}
