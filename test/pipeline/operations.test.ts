import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OutboxCounts } from '../../src/pipeline/collect/outbox.js'
import { type CpuStatus, newInputStatus } from '../../src/pipeline/collect/status.js'
import { newCounts } from '../../src/pipeline/counts.js'
import { normalizerMetrics } from '../../src/pipeline/normalizerMetrics.js'
import { packageRoot } from '../../src/stack/paths.js'

const text = readFileSync(join(packageRoot(), 'docs/operations.md'), 'utf8')

/** The compiler wants every field here that there is. */
const cpu: Record<keyof CpuStatus, true> = {
  collectorPercent: true,
  perfPercent: true,
  ceilingPercent: true,
  thinned: true,
  restored: true,
}
const outbox: Record<keyof OutboxCounts, true> = {
  sentMessages: true,
  sentBytes: true,
  shedMessages: true,
  shedBytes: true,
  spooledBytes: true,
  memoryWaitingBytes: true,
  diskWaitingBytes: true,
  abandonedBytes: true,
}

/** Cells of the rows of the table whose heading begins so. */
function table(heading: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith(heading)) + 2
  const rows = lines.slice(start, lines.indexOf('', start))
  return rows.map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
}

describe('docs/operations.md', () => {
  it('tells every metric of a normalizer, with its labels and what it says of itself, and no other', () => {
    const metrics = normalizerMetrics({
      counts: newCounts(),
      normalizer: { partitions: new Map(), loading: new Map(), paused: new Map(), waitingRows: 0 },
      supervisor: { unreadMessages: { gotrace: 0, perf: 0 } },
      wire: { sentPackedBytes: 0, sentBytes: 0, receivedPackedBytes: 0, receivedBytes: 0 },
    })
    const own = metrics.map(({ name, labels = [], help }) => [`dualtrace_${name}`, labels.join(', '), help])
    assert.deepEqual(
      table('| metric |').map(([, name, labels, help]) => [name, labels, help?.replaceAll('`', '')]),
      own,
    )
  })

  it('tells every field of the state that a collector logs, and no other', () => {
    const { gotrace, perf, ...input } = newInputStatus('')
    const fields = (name: string, status: object) => Object.keys(status).map((field) => `${name}.${field}`)
    const own = [
      ...fields('cpu', cpu),
      ...fields('outbox', outbox),
      ...fields('inputs', input),
      ...fields('inputs.gotrace', gotrace),
      ...fields('inputs.perf', perf),
    ]
    const told = table('| field |').map(([, name]) => name!)
    assert.deepEqual(told.sort(), own.sort())
  })
})
