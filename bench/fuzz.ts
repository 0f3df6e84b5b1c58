import { readdirSync, readFileSync } from 'node:fs'
import { GoTraceReader } from '../src/gotrace/index.js'
import { PerfScriptReader } from '../src/perf/index.js'
import type { Bench } from './bench.js'
import { Random } from './random.js'

const inputs = Number(process.env['FUZZ_INPUTS'] ?? 1_000_000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9)
/** An input that takes longer is reported as a hang; the seeds take well under a millisecond. */
const hangMs = 2000
const maxMutations = 8
const perfFixtures = 'test/perf/fixtures'

interface Reader {
  push(chunk: Uint8Array): void
  end(): void
  next(): boolean
  readonly problemCounts: ReadonlyMap<string, number>
}

const targets: readonly { name: string; seeds: readonly Uint8Array[]; make: () => Reader }[] = [
  {
    name: 'Go trace',
    seeds: ['1.22', '1.23', '1.25', '1.26'].map((version) => capture(`gotrace/tiny-go${version}.trace`)),
    make: () => new GoTraceReader(),
  },
  {
    name: 'perf text',
    seeds: readdirSync(perfFixtures)
      .filter((name) => name.endsWith('.txt'))
      .map((name) => readFileSync(`${perfFixtures}/${name}`)),
    make: () => new PerfScriptReader(),
  },
]

/** Mutated real inputs into both readers: nothing may throw, hang or grow. `FUZZ_SEED` repeats a run, `FUZZ_INPUTS` sizes it. */
export const bench: Bench = {
  name: 'fuzz',
  run() {
    process.stdout.write(`fuzz: ${inputs.toLocaleString('en-US')} inputs, FUZZ_SEED=${seed}\n`)
    for (const target of targets) fuzz(target)
    return Promise.resolve()
  },
}

function fuzz({ name, seeds, make }: (typeof targets)[number]): void {
  const random = new Random(seed)
  const found = new Map<string, number>()
  const share = Math.ceil(inputs / targets.length)
  let earlyRssMiB = 0
  let slowestMs = 0
  let bytes = 0
  const startMs = performance.now()
  for (let i = 0; i < share; i++) {
    const input = mutate(random.of(seeds), random)
    const beganMs = performance.now()
    try {
      read(make(), input, found)
    } catch (error) {
      throw new Error(`${name}: input ${i} of FUZZ_SEED=${seed} made the reader throw`, { cause: error })
    }
    const tookMs = performance.now() - beganMs
    if (tookMs > hangMs) throw new Error(`${name}: input ${i} of FUZZ_SEED=${seed} took ${tookMs.toFixed(0)} ms`)
    slowestMs = Math.max(slowestMs, tookMs)
    bytes += input.length
    if (i === Math.floor(share / 10)) earlyRssMiB = process.memoryUsage.rss() / 2 ** 20
  }
  const seconds = (performance.now() - startMs) / 1000
  const problems = [...found].sort((a, b) => b[1] - a[1]).map(([problem, count]) => `${problem} ${count}`)
  process.stdout.write(
    `  ${name.padEnd(9)} ${share.toLocaleString('en-US')} inputs, ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(0)} s, ` +
      `slowest ${slowestMs.toFixed(0)} ms, RSS ${earlyRssMiB.toFixed(0)} MiB after a tenth, ` +
      `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB at the end\n            ${problems.join(', ')}\n`,
  )
}

function read(reader: Reader, input: Uint8Array, found: Map<string, number>): void {
  reader.push(input)
  while (reader.next());
  reader.end()
  while (reader.next());
  for (const [problem, count] of reader.problemCounts) found.set(problem, (found.get(problem) ?? 0) + count)
}

/** A few small wounds: bits, bytes, long numbers, and pieces taken out, doubled or cut off. */
function mutate(original: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(original)
  for (let left = 1 + random.below(1 + random.below(maxMutations)); left > 0; left--) {
    const at = random.below(bytes.length)
    const length = Math.min(1 + random.below(64), bytes.length - at)
    switch (random.below(7)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8)
        break
      case 1:
        bytes[at] = random.below(256)
        break
      case 2:
        bytes.fill(0xff, at, at + Math.min(length, 10))
        break
      case 3:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length))
        break
      case 4:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at))
        break
      case 5:
        bytes.copyWithin(at, random.below(bytes.length), bytes.length)
        break
      case 6:
        if (random.below(8) === 0) bytes = bytes.slice(0, at)
    }
    if (bytes.length === 0) return bytes
  }
  return bytes
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function capture(name: string): Uint8Array {
  return readFileSync(`test/captures/${name}`)
}
