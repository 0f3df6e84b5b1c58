import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { Site } from './site.js'
import { topicNames } from '../../src/transport/topics.js'
import { querySql } from '../../src/store/sql.js'
import { cpuSeconds } from './process.js'

export interface DelayOptions {
  readonly megabytesPerSecond: number
  readonly say: (line: string) => void
}

const pollMs = 100

/**
 * How long after the last event of its second a row can be seen in QuestDB: what the replay waits for a generation of the trace to
 * be complete is in it, as it is with a live source. So it is shipped as fast as it was recorded, for generations as long as live ones. Twice: to a process that
 * has just started and computes slower than it will, and to the same one after that.
 */
export async function measureDelay(site: Site, capture: string, options: DelayOptions): Promise<void> {
  const { megabytesPerSecond, say } = options
  const { summary, rows } = await analyzeCapture(capture)
  const nowhere = { send: () => Promise.resolve() }
  const once = { topics: topicNames(), sources: 1, speed: undefined, messageBytes: 1_000_000 }
  const captureMBps = ((await replay(await openCapture(capture), nowhere, once)).bytes / summary.durationNs) * 1e3
  const sources = Math.max(1, Math.round(megabytesPerSecond / captureMBps))
  const originMs = Number(BigInt(summary.fromWallNs!) / 1000n) / 1000
  const endMs = originMs + summary.durationNs / 1e6
  const ofClasses = rows.filter(({ table }) => table === 'time_classes')
  const wanted = sources * new Set(ofClasses.map(({ row }) => row.ts)).size
  const deployment = site.deploy('delay')
  const normalizer = await deployment.start()
  await normalizer.said('reading', '"partition":3')
  for (const process of ['a process that has just started', 'the same process after that']) {
    const cpuBefore = cpuSeconds(normalizer.pid!)
    const startMs = Date.now()
    let bytes = 0
    let shipped = false
    const source = `bench/delay/${startMs}/2026`
    const shipping = deployment.withProducer(async (producer) => {
      const opened = await openCapture(capture)
      const named = { ...opened, names: { ...opened.names, source } }
      const how = { topics: deployment.topics, sources, speed: 1, messageBytes: 1_000_000 }
      bytes = (await replay(named, producer, how)).bytes
      shipped = true
    })
    const delays: number[] = []
    const all = await expectedSeconds(site.questdbUrl, source, delays, {
      startMs,
      originMs,
      endMs,
      over: () => shipped,
      wanted,
    })
    await shipping
    if (!all) throw new Error('rows are missing')
    const seconds = (Date.now() - startMs) / 1000
    const busy = (cpuSeconds(normalizer.pid!) - cpuBefore) / seconds
    say(
      `delay from the end of a second of data to its row in QuestDB, ${process}, ${sources} sources of ${basename(capture)}, ` +
        `${(bytes / 1e6 / seconds).toFixed(1)} MB/s (${(busy * 100).toFixed(0)} % of one CPU): ${quantiles(delays)}`,
    )
  }
}

function quantiles(delays: readonly number[]): string {
  const sorted = delays.toSorted((a, b) => a - b)
  const at = (share: number) => `${Math.round(sorted[Math.floor(share * (sorted.length - 1))]!)} ms`
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} (${sorted.length} seconds of sources)`
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
async function expectedSeconds(url: string, source: string, delays: number[], timing: Timing) {
  const { startMs, originMs, endMs, over, wanted } = timing
  const seen = new Set<string>()
  const sql = `select distinct source, cast(ts as long) / 1000000000 second from time_classes where source like '${source}%'`
  let patienceEndMs = Infinity
  for (;;) {
    const { rows } = await querySql(url, sql)
    const nowMs = Date.now()
    for (const [name, second] of rows) {
      const key = `${String(name)} ${String(second)}`
      if (seen.has(key)) continue
      seen.add(key)
      const completeMs = Math.min((Number(second) + 1) * 1000, endMs) - originMs
      delays.push(nowMs - (startMs + completeMs))
    }
    if (seen.size === wanted) return true
    if (over()) patienceEndMs = Math.min(patienceEndMs, nowMs + 60_000)
    if (nowMs > patienceEndMs) return false
    await sleep(pollMs)
  }
}
