import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { recordWorkload } from '../test/support/recording.js'
import { buildWorkload } from '../test/support/workloads.js'
import { type Bench, median } from './bench.js'

const shortSeconds = 10
const factor = 5
const rounds = 3
const output = resolve('.dualtrace/bench')

/** Peak memory of `diagnose` for a capture and for the same workload recorded five times as long: it must not grow with it. */
export const bench: Bench = {
  name: 'memory',
  async run() {
    mkdirSync(output, { recursive: true })
    const lines: string[] = []
    for (const seconds of [shortSeconds, shortSeconds * factor]) lines.push(await measure(seconds))
    process.stdout.write(`memory: peak RSS of diagnose on workload rpc, median of ${rounds}\n${lines.join('')}`)
  },
}

async function measure(seconds: number): Promise<string> {
  const out = `${output}/memory-${seconds}s`
  rmSync(out, { recursive: true, force: true })
  await recordWorkload(buildWorkload('rpc'), ['-rate', '1000'], out, seconds * 1000)
  const runs = Array.from({ length: rounds }, () => diagnose(out))
  const traceMb = statSync(`${out}/go.trace`).size / 1e6
  const perfMb = statSync(`${out}/perf.script.gz`).size / 1e6
  const rssMiB = median(runs.map((run) => run.rssKiB)) / 1024
  const tookS = median(runs.map((run) => run.seconds))
  return (
    `  ${String(seconds).padStart(4)} s recorded   ${traceMb.toFixed(1)} MB trace + ${perfMb.toFixed(1)} MB perf (gz)   ` +
    `peak ${rssMiB.toFixed(0)} MiB   ${tookS.toFixed(1)} s\n`
  )
}

function diagnose(capture: string): { rssKiB: number; seconds: number } {
  const withRss = fileURLToPath(new URL('withRss.js', import.meta.url))
  const startMs = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [withRss, 'diagnose', capture], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`diagnose ${capture} failed: ${stderr}`)
  return { rssKiB: Number(stderr.trim().split('\n').at(-1)), seconds: (performance.now() - startMs) / 1000 }
}
