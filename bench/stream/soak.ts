import { openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { Site } from './site.js'
import { cpuSeconds, ofQuarters, watch, watchRss } from './process.js'

export interface SoakOptions {
  readonly sources: number
  readonly seconds: number
  readonly speed: number
  readonly say: (line: string) => void
}

/**
 * Sources that come, go on and end for as long as it lasts: the memory of the normalizer, quarter by quarter, and the least that it had in use in each, which
 * is what is left of it after a collection.
 */
export async function soak(site: Site, capture: string, { sources, seconds, speed, say }: SoakOptions): Promise<void> {
  const deployment = site.deploy('soak')
  const normalizer = await deployment.start()
  await normalizer.said('reading', '"partition":3')
  const over = new AbortController()
  let bytes = 0
  const cpuBefore = cpuSeconds(normalizer.pid!)
  const startMs = Date.now()
  const shipping = deployment.withProducer(async (producer) => {
    for (let round = 0; !over.signal.aborted; round++) {
      const opened = await openCapture(capture)
      const named = { ...opened, names: { ...opened.names, source: `bench/soak/${round}/2026` } }
      const options = { topics: deployment.topics, sources, speed, messageBytes: 1_000_000, signal: over.signal }
      bytes += (await replay(named, producer, options)).bytes
    }
  })
  const readings = watch(seconds, () => deployment.metrics())
  const memory = await watchRss(normalizer.pid!, seconds)
  const metrics = await readings
  over.abort()
  await shipping
  const inUse = metrics.map(
    (each) => (each.get('nodejs_heap_size_used_bytes')! + each.get('nodejs_external_memory_bytes')!) / 2 ** 20,
  )
  const least = ofQuarters(inUse, (quarter) => Math.min(...quarter))
  const lag = metrics.at(-1)!.get('dualtrace_lag_ms{track="perf"}')
  const elapsedS = (Date.now() - startMs) / 1000
  const busy = ((cpuSeconds(normalizer.pid!) - cpuBefore) / elapsedS) * 100
  say(
    `soak: ${sources} sources for ${elapsedS.toFixed(0)} s at ${(bytes / 1e6 / elapsedS).toFixed(1)} MB/s (${busy.toFixed(0)} % of one CPU, lag ${lag ?? '?'} ms): ${memory}; least in use by quarter ${least} MiB`,
  )
}
