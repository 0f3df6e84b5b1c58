import assert from 'node:assert/strict'
import { join } from 'node:path'
import { packCheckpoint } from '../../src/pipeline/checkpoint.js'
import { newCounts } from '../../src/pipeline/counts.js'
import { LoadingPartition } from '../../src/pipeline/loading.js'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import type { OfflineSource } from '../../src/pipeline/offlineSource.js'
import { mostWaitingBytes, Partition } from '../../src/pipeline/partition.js'
import { replay } from '../../src/pipeline/replay.js'
import { packageRoot } from '../../src/stack/paths.js'
import { decodeEnvelope } from '../../src/transport/envelope.js'
import { unpack } from '../../src/transport/packing.js'
import { topicNames } from '../../src/transport/topics.js'
import type { InMessage, OutMessage } from '../../src/transport/transport.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const waiting = (gotrace: number, perf: number) => ({ waitingBytes: { gotrace, perf } })

describe('what may wait for the other track', () => {
  it('is all that a member has room for, whichever partition needs it', () => {
    assert.equal(mostWaitingBytes([waiting(900, 0), waiting(0, 100), waiting(0, 0)], 1000), 1000)
  })

  it('is an equal share for each partition once the member has no more room, however many partitions it has', () => {
    assert.equal(mostWaitingBytes([waiting(901, 0), waiting(0, 100), waiting(0, 0), waiting(0, 0)], 1000), 250)
  })
})

describe('the runs of a partition', () => {
  const counts = newCounts()
  const options = { counts, thresholds: undefined, checkpointEveryMs: 0 }
  const at = (offset: bigint) => ({ gotrace: offset, perf: offset })
  let shipped: InMessage[] = []

  before(async () => (shipped = await ship(await openCapture(capture))))

  async function ship(opened: OfflineSource): Promise<InMessage[]> {
    const topics = topicNames()
    const how = { topics, sources: 1, speed: undefined, messageBytes: 300_000 }
    const sent: OutMessage[] = []
    await replay(opened, { send: (messages) => Promise.resolve(void sent.push(...messages)) }, how)
    // The trace comes last: until then all of perf's text waits.
    sent.sort((a, b) => Number(a.topic === topics.gotrace) - Number(b.topic === topics.gotrace))
    return Promise.all(
      sent.map(({ key, headers, value }, at) => unpack({ offset: BigInt(at), key, headers, value: value! })),
    )
  }

  function accept(partition: Partition, messages: readonly InMessage[]): void {
    for (const message of messages) {
      const envelope = decodeEnvelope(message.headers)
      if (typeof envelope === 'string') assert.fail(envelope)
      partition.accept(envelope, message, 0)
    }
  }

  it('give the rows of the offline analysis, and count what waits for the other track by the byte', async () => {
    const partition = new Partition(0, options, new LoadingPartition(), at(0n), 0)
    const perf = shipped.filter(({ headers }) => headers['track'] === 'perf')
    accept(partition, perf)
    const sizeBytes = perf.reduce((sum, { value }) => sum + value.length, 0)
    assert.deepEqual(partition.waitingBytes, { gotrace: 0, perf: sizeBytes })
    accept(partition, shipped.slice(perf.length))
    const { rows } = await analyzeCapture(capture)
    const run = shipped[0]!.headers['run']!
    assert.deepEqual(
      partition.rows,
      rows.map(({ table, row }) => ({ table, row, run })),
    )
    assert.deepEqual(partition.waitingBytes, { gotrace: 0, perf: 0 })
  })

  it('name their rows after the capture, however often it is shipped, and after the stream where that is the recording', async () => {
    const opened = () => openCapture(join(packageRoot(), 'test/captures/healthy'))
    const partition = new Partition(0, options, new LoadingPartition(), at(0n), 0)
    const taken = async (source: OfflineSource) => {
      const messages = await ship(source)
      accept(partition, messages)
      const { rows } = partition
      partition.rows = []
      return { rows, stream: messages[0]!.headers['stream'] }
    }
    const first = await taken(await opened())
    const second = await taken(await opened())
    assert.notEqual(first.stream, second.stream)
    assert.ok(first.rows.length > 0 && first.rows.every(({ run }) => run === '01795451030369-capture'))
    assert.deepEqual(second.rows, first.rows)
    const third = await taken({ ...(await opened()), run: undefined })
    assert.deepEqual([...new Set(third.rows.map(({ run }) => run))], [third.stream])
  })

  it('are not read again after a restart once they are over', async () => {
    const partition = new Partition(0, options, new LoadingPartition(), at(0n), 0)
    accept(partition, shipped)
    const [checkpoint] = partition.checkpoints
    assert.ok(checkpoint?.finished)
    const loading = new LoadingPartition()
    const value = await packCheckpoint(checkpoint.serialized)
    assert.ok(value)
    assert.equal(await loading.accept({ offset: 0n, key: checkpoint.run.key, headers: {}, value }), undefined)
    const end = at(BigInt(shipped.length))
    const next = new Partition(0, options, loading, end, 0)
    assert.deepEqual(next.startOffset, end)
    assert.deepEqual(next.problems, [])
    accept(next, shipped)
    assert.deepEqual([next.rows, [...next.openRuns]], [[], []])
  })
})
