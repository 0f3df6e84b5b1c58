import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { Site } from './site.js'
import { cpuSeconds, rssMiB } from './process.js'

export interface ThroughputOptions {
  readonly sources: number
  readonly normalizers: number
  readonly say: (line: string) => void
}

const ended = 'the source has ended'

/** Fills Kafka, then lets the normalizers empty it: from the first message to the last acknowledged row. */
export async function measureThroughput(
  site: Site,
  capture: string,
  { sources, normalizers, say }: ThroughputOptions,
): Promise<void> {
  const deployment = site.deploy(`throughput${normalizers}`)
  let bytes = 0
  await deployment.withProducer(async (producer) => {
    const opened = await openCapture(capture)
    const named = { ...opened, names: { ...opened.names, source: deployment.source } }
    const options = { topics: deployment.topics, sources, speed: undefined, messageBytes: 1_000_000 }
    bytes = (await replay(named, producer, options)).bytes
  })
  const offline = await analyzeCapture(capture)
  const members = []
  for (let n = 0; n < normalizers; n++) members.push(await deployment.start())
  await Promise.race(members.map((member) => member.said('"reading"')))
  const startMs = performance.now()
  const cpuBefore = members.map(({ pid }) => cpuSeconds(pid!))
  const done = () => deployment.log.filter((line) => line.includes(ended)).length
  while (done() < sources) await sleep(20)
  const seconds = (performance.now() - startMs) / 1000
  const cpu = members.reduce((sum, { pid }, n) => sum + cpuSeconds(pid!) - cpuBefore[n]!, 0)
  const metrics = await deployment.metrics()
  const peak = Math.max(...members.map(({ pid }) => rssMiB(pid!).peak))
  const megabytes = bytes / 1e6
  const events = sources * offline.summary.goEvents
  const records = sources * offline.summary.perfRecords
  const rows = sources * offline.rows.length
  say(
    `${normalizers} normalizer(s), ${sources} sources, ${megabytes.toFixed(0)} MB of both tracks: ${(megabytes / seconds).toFixed(1)} MB/s, ` +
      `${perSecond(events)} trace events/s, ${perSecond(records)} perf records/s, ${perSecond(rows)} rows/s; ` +
      `${(megabytes / cpu).toFixed(1)} MB per CPU second of the normalizers; peak RSS ${peak.toFixed(0)} MiB; ` +
      `last one wrote ${value('dualtrace_checkpoints_total')} checkpoints of ${value('dualtrace_checkpoint_bytes_total')} bytes together; ` +
      `Kafka holds ${(1 / (metrics.get('dualtrace_kafka_compression_ratio') ?? NaN)).toFixed(3)} of the bytes`,
  )

  function perSecond(count: number): string {
    return Math.round(count / seconds).toLocaleString('en')
  }
  function value(name: string): number {
    return metrics.get(name) ?? 0
  }
}
