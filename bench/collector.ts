import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandLine, processIds, readStat } from '../src/capture/proc.js'
import type { CollectorStatus } from '../src/pipeline/collect/status.js'
import { startLocalStack } from '../src/stack/local.js'
import { freePorts } from '../src/stack/ports.js'
import { CollectorProcess } from '../test/support/collector.js'
import { buildWorkload, startWorkload } from '../test/support/workloads.js'
import type { Bench } from './bench.js'
import { watchRss } from './stream/process.js'

const measuredS = Number(process.env['DUALTRACE_COLLECTOR_SECONDS'] ?? 20)
/** The engine compiles for the most of a minute, and a collector runs for months. */
const settleS = 60
/** The service alone, before it is recorded. */
const aloneS = 5
const rate = 50_000

/**
 * What collecting a service that makes 50,000 system calls a second costs, into a real Kafka: the collector itself, and perf, and the service, which does
 * in the kernel what is recorded of it; and the collector's memory.
 * DUALTRACE_COLLECTOR_SECONDS says for how long (20).
 */
export const bench: Bench = {
  name: 'collector',
  async run() {
    const dir = mkdtempSync(join(tmpdir(), 'dualtrace-bench-'))
    const stack = await startLocalStack({ ports: await freePorts(), dir: join(dir, 'stack'), servers: ['kafka'] })
    try {
      await measure(stack.kafka.brokers, dir)
    } finally {
      await stack.stop('kafka')
      rmSync(dir, { recursive: true, force: true })
    }
  },
}

async function measure(brokers: readonly string[], dir: string): Promise<void> {
  const seconds = aloneS + measuredS + settleS + 10
  const workload = await startWorkload(buildWorkload('syscalls'), ['-duration', `${seconds}s`, '-rate', String(rate)])
  const serviceMs = () => readStat(workload.pid)!.cpuMs
  const startedMs = serviceMs()
  await sleep(aloneS * 1000)
  const aloneMs = serviceMs() - startedMs
  const collector = new CollectorProcess({
    DUALTRACE_KAFKA: brokers.join(','),
    DUALTRACE_TOPIC_PREFIX: 'bench.',
    DUALTRACE_PID: String(workload.pid),
    DUALTRACE_TRACE_URL: workload.pprof,
    DUALTRACE_SPOOL: join(dir, 'spool'),
    DUALTRACE_REPORT_EVERY: '1s',
  })
  try {
    await collector.said('"msg":"collecting"')
    await sleep(settleS * 1000)
    const before = await used(collector.pid!)
    const serviceBeforeMs = serviceMs()
    const statusBefore = statusOf(collector)
    const memory = await watchRss(collector.pid!, measuredS)
    const after = await used(collector.pid!)
    const status = statusOf(collector)
    const recordedMs = serviceMs() - serviceBeforeMs
    const percent = (ms: number, overS = measuredS) => `${(ms / overS / 10).toFixed(1)} %`
    const perf = status.inputs[0]!.perf
    const perfMB = (perf.bytes - statusBefore.inputs[0]!.perf.bytes) / 1e6
    const traceMB = (status.inputs[0]!.gotrace.bytes - statusBefore.inputs[0]!.gotrace.bytes) / 1e6
    const { shedMessages, spooledBytes } = status.outbox
    process.stdout.write(
      `collector: ${rate} system calls per second for ${measuredS} s, of one core\n` +
        `  collector besides perf ${percent(after.ownMs - before.ownMs)}, perf record ${percent(after.recordMs - before.recordMs)}, ` +
        `perf script ${percent(after.scriptMs - before.scriptMs)}; ` +
        `the service itself ${percent(aloneMs, aloneS)} alone, ${percent(recordedMs)} recorded\n` +
        `  ${(perfMB / measuredS).toFixed(1)} MB/s of perf text, ${(traceMB / measuredS).toFixed(1)} MB/s of Go trace, ` +
        `${perf.lostEvents} events lost by perf, ${shedMessages} messages left out, ${(spooledBytes / 1e6).toFixed(1)} MB spooled\n  ${memory}\n`,
    )
    const { syscalls } = await workload.induced
    process.stdout.write(`  the service made ${(syscalls! / seconds).toFixed(0)} system calls per second\n`)
  } finally {
    await collector.stop()
    await workload.stop()
  }
}

function statusOf({ lines }: CollectorProcess): CollectorStatus {
  return JSON.parse(lines.findLast((line) => line.includes('"msg":"status"'))!) as CollectorStatus
}

/** CPU time so far of the collector, and of the perfs it has now. */
async function used(pid: number) {
  const total = { ownMs: readStat(pid)!.cpuMs, recordMs: 0, scriptMs: 0 }
  for (const child of await processIds()) {
    const stat = readStat(child)
    if (stat?.parent !== pid) continue
    const [, command] = await commandLine(child)
    total[command === 'record' ? 'recordMs' : 'scriptMs'] += stat.cpuMs
  }
  return total
}
