import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { Site } from './site.js'
import { querySql } from '../../src/store/sql.js'
import { cpuSeconds } from './process.js'

export interface DelayOptions {
  readonly sources: number
  readonly rounds: number
  readonly say: (line: string) => void
}

const pollMs = 100

/**
 * How long after the last event of its second a row can be seen in QuestDB: what the replay waits for a generation of the trace to
 * be complete is in it, as it is with a live source. So it is shipped as fast as it was recorded, for generations as long as live ones.
 */
export async function measureDelay(site: Site, capture: string, { sources, rounds, say }: DelayOptions): Promise<void> {
  const { summary, rows } = await analyzeCapture(capture)
  const originMs = Number(BigInt(summary.fromWallNs!) / 1000n) / 1000
  const endMs = originMs + summary.durationNs / 1e6
  const ofClasses = rows.filter(({ table }) => table === 'time_classes')
  const wanted = sources * new Set(ofClasses.map(({ row }) => row.ts)).size
  const delaysMs: number[] = []
  const deployment = site.deploy('delay')
  const normalizer = await deployment.start()
  await normalizer.said('reading', '"partition":3')
  const cpuBefore = cpuSeconds(normalizer.pid!)
  const beganMs = performance.now()
  let bytes = 0
  for (let round = 0; round < rounds; round++) {
    const source = `bench/delay/${round}/2026`
    const startMs = Date.now()
    const seen = new Set<string>()
    let shipped = false
    const shipping = deployment.withProducer(async (producer) => {
      const opened = await openCapture(capture)
      const named = { ...opened, names: { ...opened.names, source } }
      bytes += (
        await replay(named, producer, { topics: deployment.topics, sources, speed: 1, messageBytes: 1_000_000 })
      ).bytes
      shipped = true
    })
    const all = await expectedSeconds(site.questdbUrl, source, seen, delaysMs, {
      startMs,
      originMs,
      endMs,
      over: () => shipped,
      wanted,
    })
    await shipping
    if (!all) throw new Error('rows are missing')
  }
  const seconds = (performance.now() - beganMs) / 1000
  const busy = (cpuSeconds(normalizer.pid!) - cpuBefore) / seconds
  delaysMs.sort((a, b) => a - b)
  const at = (share: number) => `${Math.round(delaysMs[Math.floor(share * (delaysMs.length - 1))]!)} ms`
  say(
    `delay from the end of a second of data to its row in QuestDB, ${(bytes / 1e6 / seconds).toFixed(1)} MB/s (${(busy * 100).toFixed(0)} % of one CPU), ` +
      `${delaysMs.length} seconds of sources: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`,
  )
}

interface Timing {
  readonly startMs: number
  readonly originMs: number
  readonly endMs: number
  readonly over: () => boolean
  /** Seconds of all sources. */
  readonly wanted: number
}

/** Looks at the stored seconds until all are there; notes when each was first seen. */
async function expectedSeconds(url: string, source: string, seen: Set<string>, delaysMs: number[], timing: Timing) {
  const { startMs, originMs, endMs, over, wanted } = timing
  const sql = `select distinct source, cast(ts as long) / 1000000000 second from time_classes where source like '${source}%'`
  let patienceEndMs = Infinity
  for (;;) {
    const { rows } = await querySql(url, sql)
    const nowMs = Date.now()
    for (const [name, second] of rows) {
      const key = `${String(name)} ${String(second)}`
      if (seen.has(key)) continue
      seen.add(key)
      const completeMs = Math.min((Number(second) + 1) * 1000, endMs)
      delaysMs.push(nowMs - (startMs + (completeMs - originMs)))
    }
    if (seen.size === wanted) return true
    if (over()) patienceEndMs = Math.min(patienceEndMs, nowMs + 60_000)
    if (nowMs > patienceEndMs) return false
    await sleep(pollMs)
  }
}
