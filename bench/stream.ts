import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { packageRoot } from '../src/stack/paths.js'
import { recordWorkload } from '../test/support/recording.js'
import { buildWorkload } from '../test/support/workloads.js'
import type { Bench } from './bench.js'
import { measureDelay } from './stream/delay.js'
import { checkRebalances } from './stream/rebalance.js'
import { atSite, type Site } from './stream/site.js'
import { soak } from './stream/soak.js'
import { measureThroughput } from './stream/throughput.js'

const burst = join(packageRoot(), 'test/captures/stw-netpoll')
const steady = join(packageRoot(), 'test/captures/healthy')
const parts = ['throughput', 'delay', 'soak', 'rebalance'] as const

/**
 * A normalizer between the real Kafka and QuestDB: what it does in a second, how late its rows are, what it needs of memory, and
 * whether 50 sources survive the comings and goings of their normalizers. DUALTRACE_STREAM_PARTS names the parts to run (all),
 * DUALTRACE_SOAK_SECONDS how long the soak is (600).
 */
export const bench: Bench = {
  name: 'stream',
  async run() {
    const wanted = (process.env['DUALTRACE_STREAM_PARTS'] ?? parts.join(',')).split(',')
    const soakS = Number(process.env['DUALTRACE_SOAK_SECONDS'] ?? 600)
    const run = async (part: (typeof parts)[number], measure: (site: Site) => Promise<void>) => {
      if (wanted.includes(part)) await atSite(measure)
    }
    await run('throughput', async (site) => {
      for (const normalizers of [1, 2]) await measureThroughput(site, burst, { sources: 24, normalizers, say })
    })
    await run('delay', async (site) => {
      const capture = await longCapture()
      const capacity = await measureThroughput(site, capture, { sources: 6, normalizers: 1, say })
      await measureDelay(site, capture, { megabytesPerSecond: capacity / 2, say })
    })
    await run('soak', async (site) => {
      await soak(site, steady, { sources: 50, seconds: soakS, speed: 0.1, say })
    })
    await run('rebalance', async (site) => {
      await checkRebalances(site, steady, { sources: 50, normalizers: 3, changes: 8, say })
    })
  },
}

/** Half a minute of a service at a steady rate. */
async function longCapture(): Promise<string> {
  const out = resolve('.dualtrace/bench/steady')
  rmSync(out, { recursive: true, force: true })
  mkdirSync(dirname(out), { recursive: true })
  await recordWorkload(buildWorkload('rpc'), ['-rate', '500'], out, 30_000)
  return out
}

function say(line: string): void {
  process.stdout.write(`stream: ${line}\n`)
}
