import assert from 'node:assert/strict'
import { newArchiveCounts } from '../../src/pipeline/archive/archiver.js'
import { archiverMetrics } from '../../src/pipeline/archive/metrics.js'
import { collectorMetrics } from '../../src/pipeline/collect/metrics.js'
import { newOutboxCounts } from '../../src/pipeline/collect/outbox.js'
import { newCpuStatus, newInputStatus } from '../../src/pipeline/collect/status.js'
import { newCounts } from '../../src/pipeline/counts.js'
import { normalizerMetrics } from '../../src/pipeline/normalizerMetrics.js'
import { newRounds, roundMetrics } from '../../src/pipeline/reprocess/rounds.js'
import type { MetricDefinition } from '../../src/status/metrics.js'
import { thresholdDefinitions } from '../../src/measures/thresholds.js'
import { initialText } from '../../src/pipeline/thresholds.js'
import { operationsTable } from '../support/operationsDoc.js'

const supervisor = { unreadMessages: { gotrace: 0, perf: 0 } }

function cellsOf(metrics: readonly MetricDefinition[]): string[][] {
  return metrics.map(({ name, labels = [], help }) => [`dualtrace_${name}`, labels.join(', '), help])
}

describe('docs/operations.md', () => {
  it('tells every metric of a normalizer, with its labels and what it says of itself, and no other', () => {
    const metrics = normalizerMetrics({
      counts: newCounts(),
      normalizer: { partitions: new Map(), loading: new Map(), paused: new Map(), waitingRows: 0 },
      supervisor,
      wire: { sentPackedBytes: 0, sentBytes: 0, receivedPackedBytes: 0, receivedBytes: 0 },
    })
    const told = operationsTable('| metric | labels | meaning | what it tells |').map((cells) => cells.slice(1, 4))
    assert.deepEqual(told, cellsOf(metrics))
  })

  it('tells every metric of a collector, of an archiver and of scheduled reprocessing, and no other', () => {
    const state = {
      startedMs: 0,
      cpu: newCpuStatus(undefined),
      outbox: newOutboxCounts(),
      inputs: [newInputStatus('')],
    }
    const wire = { sentPackedBytes: 0, sentBytes: 0, receivedPackedBytes: 0, receivedBytes: 0 }
    const gauges = { pendingBytes: 0, partitionCount: 0, openRuns: 0, aboveBytes: 0, unreadableKeeps: 0 }
    const archiver = { counts: newArchiveCounts(), ...gauges }
    assert.deepEqual(
      operationsTable('| metric of a collector |').map((cells) => cells.slice(1, 4)),
      cellsOf(collectorMetrics(state, wire)),
    )
    assert.deepEqual(
      operationsTable('| metric of an archiver |').map((cells) => cells.slice(1, 4)),
      cellsOf(archiverMetrics(archiver, supervisor)),
    )
    assert.deepEqual(
      operationsTable('| metric of scheduled reprocessing |').map((cells) => cells.slice(1, 4)),
      cellsOf(roundMetrics(newRounds())),
    )
  })

  it('tells every threshold, with its default and what happens from there on, and no other', () => {
    const own = Object.values(thresholdDefinitions).map((each) => [each.name, initialText(each), each.doc])
    const told = operationsTable('| threshold |').map((cells) => cells.slice(1, 4))
    assert.deepEqual(told, own)
  })

  it('tells every field of the state that a collector logs, and no other', () => {
    const { gotrace, perf, ...input } = newInputStatus('')
    const fields = (name: string, status: object) => Object.keys(status).map((field) => `${name}.${field}`)
    const own = [
      ...fields('cpu', newCpuStatus(undefined)),
      ...fields('outbox', newOutboxCounts()),
      ...fields('inputs', input),
      ...fields('inputs.gotrace', gotrace),
      ...fields('inputs.perf', perf),
    ]
    const told = operationsTable('| field |').map(([, name]) => name!)
    assert.deepEqual(told.sort(), own.sort())
  })
})
