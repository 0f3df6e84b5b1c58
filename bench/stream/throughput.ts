import { basename } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import { replay } from '../../src/pipeline/replay.js'
import type { Track } from '../../src/transport/envelope.js'
import { tracks } from '../../src/transport/topics.js'
import type { NormalizerProcess } from '../../test/support/normalizer.js'
import { metricsOn } from '../../test/support/statusPage.js'
import type { Site } from './site.js'
import { cpuSeconds, rssMiB } from './process.js'

export interface ThroughputOptions {
  readonly sources: number
  readonly normalizers: number
  readonly say: (line: string) => void
}

const ended = 'the source has ended'
/** Of the bytes, until a process that has just started is taken for warm. */
const coldShare = 1 / 3
const pollMs = 50

/**
 * Fills Kafka, then lets the normalizers empty it: from the first message to the last acknowledged row. The first third, in which the engine compiles, is told
 * apart: a normalizer runs for months.
 *
 * @returns MB of both tracks a second, once warm
 */
export async function measureThroughput(
  site: Site,
  capture: string,
  { sources, normalizers, say }: ThroughputOptions,
): Promise<number> {
  const deployment = site.deploy(`throughput${normalizers}`)
  let bytes = 0
  await deployment.withProducer(async (producer) => {
    const opened = await openCapture(capture)
    const named = { ...opened, names: { ...opened.names, source: deployment.source } }
    const options = { topics: deployment.topics, sources, speed: undefined, messageBytes: 1_000_000 }
    bytes = (await replay(named, producer, options)).bytes
  })
  const offline = await analyzeCapture(capture)
  const members: Member[] = []
  for (let n = 0; n < normalizers; n++) {
    const process = await deployment.start()
    members.push({ process, pid: process.pid!, statusPort: deployment.statusPort })
  }
  await Promise.race(members.map(({ process }) => process.said('"reading"')))
  const start = await markNow(members)
  let warm: Mark | undefined
  const endedSources = () => deployment.log.filter((line) => line.includes(ended)).length
  while (endedSources() < sources) {
    await sleep(pollMs)
    if (warm !== undefined) continue
    const now = await markNow(members)
    if (now.megabytes >= (bytes / 1e6) * coldShare) warm = now
  }
  const end = await markNow(members)
  const metrics = await deployment.metrics()
  const peak = Math.max(...members.map(({ pid }) => rssMiB(pid).peak))
  const seconds = end.seconds - start.seconds
  const perSecond = (count: number) => Math.round((sources * count) / seconds).toLocaleString('en')
  const value = (name: string) => metrics.get(name) ?? 0
  const warmed = between(warm ?? start, end)
  say(
    `${normalizers} normalizer(s), ${sources} sources of ${basename(capture)}, ${(bytes / 1e6).toFixed(0)} MB of both tracks: ` +
      `${describe(warmed)} once warm, ${describe(between(start, warm ?? end))} in the first third; over all ` +
      `${perSecond(offline.summary.goEvents)} trace events/s, ${perSecond(offline.summary.perfRecords)} perf records/s, ${perSecond(offline.rows.length)} rows/s; ` +
      `peak RSS ${peak.toFixed(0)} MiB; ` +
      `last one wrote ${value('dualtrace_checkpoints_total')} checkpoints of ${value('dualtrace_checkpoint_bytes_total')} bytes together; ` +
      `Kafka holds ${(1 / (metrics.get('dualtrace_kafka_compression_ratio') ?? NaN)).toFixed(3)} of the bytes`,
  )
  return warmed.perSecond
}

interface Member {
  readonly process: NormalizerProcess
  readonly pid: number
  readonly statusPort: number
}

/** What all normalizers have done until now. */
interface Mark {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly megabytes: number
}

async function markNow(members: readonly Member[]): Promise<Mark> {
  const pages = await Promise.all(members.map(({ statusPort }) => metricsOn(statusPort)))
  const read = (page: ReadonlyMap<string, number>, track: Track) =>
    page.get(`dualtrace_bytes_total{track="${track}"}`) ?? 0
  return {
    seconds: performance.now() / 1000,
    cpuSeconds: members.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
    megabytes: pages.reduce((sum, page) => sum + tracks.reduce((all, track) => all + read(page, track), 0), 0) / 1e6,
  }
}

function between(from: Mark, to: Mark) {
  const megabytes = to.megabytes - from.megabytes
  return {
    perSecond: megabytes / (to.seconds - from.seconds),
    perCpuSecond: megabytes / (to.cpuSeconds - from.cpuSeconds),
  }
}

function describe({ perSecond, perCpuSecond }: ReturnType<typeof between>): string {
  return `${perSecond.toFixed(1)} MB/s and ${perCpuSecond.toFixed(1)} MB for each CPU second of the normalizers`
}
