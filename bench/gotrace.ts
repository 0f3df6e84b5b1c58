import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type Bench, median } from './bench.js'

const peer = 'bench/gotrace-peer'
const output = resolve('.dualtrace/bench')
const rounds = 7
/** Enough that what the first tenth of a second costs (compiling the reader's own code) does not decide. */
const wantedEvents = 15e6

const Reading = z.object({ events: z.int(), seconds: z.number(), maxRssKiB: z.number(), version: z.string() })
type Reading = z.infer<typeof Reading>

/** The Go trace reader against golang.org/x/exp/trace: the same file, one process each, by turns. */
export const bench: Bench = {
  name: 'gotrace',
  run() {
    mkdirSync(output, { recursive: true })
    execFileSync('go', ['build', '-trimpath', '-o', `${output}/`, './read', './workload'], {
      cwd: peer,
      stdio: 'inherit',
    })
    const trace = recordTrace()
    const ours: Reading[] = []
    const theirs: Reading[] = []
    for (let round = 0; round < rounds; round++) {
      theirs.push(read(`${output}/read`, [trace]))
      ours.push(read(process.execPath, [fileURLToPath(new URL('gotraceRead.js', import.meta.url)), trace]))
    }
    report(trace, ours, theirs)
    return Promise.resolve()
  },
}

/** How many events a second of work makes depends on the machine: works longer until they are enough. */
function recordTrace(): string {
  const path = `${output}/go.trace`
  for (let seconds = 4; ; seconds *= 2) {
    execFileSync(`${output}/workload`, ['-out', path, '-for', `${seconds}s`])
    if (read(`${output}/read`, [path]).events >= wantedEvents) return path
  }
}

function read(command: string, args: readonly string[]): Reading {
  return Reading.parse(
    JSON.parse(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })),
  )
}

function report(trace: string, ours: readonly Reading[], theirs: readonly Reading[]): void {
  const [our, their] = [ours, theirs].map((readings) => ({
    speed: median(readings.map(({ events, seconds }) => events / seconds)),
    rssMiB: median(readings.map(({ maxRssKiB }) => maxRssKiB)) / 1024,
    ...readings[0]!,
  })) as [Summary, Summary]
  if (our.events !== their.events) throw new Error(`we read ${our.events} events and Go's reader ${their.events}`)
  const line = (name: string, { speed, rssMiB, version }: Summary) =>
    `  ${name.padEnd(26)} ${(speed / 1e6).toFixed(2)} M events/s   peak ${rssMiB.toFixed(0)} MiB   (${version})\n`
  process.stdout.write(
    `gotrace: ${our.events} events, ${(statSync(trace).size / 1e6).toFixed(0)} MB, median of ${rounds} by turns, on ${cpus()[0]!.model}\n` +
      line('dualtrace', our) +
      line('golang.org/x/exp/trace', their) +
      `  ratio ${(our.speed / their.speed).toFixed(2)}\n`,
  )
}

type Summary = Reading & { readonly speed: number; readonly rssMiB: number }
