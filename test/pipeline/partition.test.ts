import assert from 'node:assert/strict'
import { join } from 'node:path'
import { deserialize } from 'node:v8'
import type { Row } from '../../src/measures/table.js'
import {
  type Checkpoint,
  checkpointVersion,
  packCheckpoint,
  serializeCheckpoint,
} from '../../src/pipeline/checkpoint.js'
import { newCounts } from '../../src/pipeline/counts.js'
import { Deliveries } from '../../src/pipeline/deliveries.js'
import { LoadingPartition } from '../../src/pipeline/loading.js'
import { analyzeCapture, openCapture } from '../../src/pipeline/offline.js'
import type { OfflineSource } from '../../src/pipeline/offlineSource.js'
import { mostWaitingBytes, Partition } from '../../src/pipeline/partition.js'
import { replay } from '../../src/pipeline/replay.js'
import { packageRoot } from '../../src/stack/paths.js'
import { decodeEnvelope, type Track } from '../../src/transport/envelope.js'
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
  const options = { counts, deliveries: new Deliveries(counts), thresholds: undefined, checkpointEveryMs: 0 }
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

  it('are left out once their analysis has failed, and begin anew when that is long ago', () => {
    const partition = new Partition(0, options, new LoadingPartition(), at(0n), 0)
    const { source, stream } = shipped[0]!.headers
    partition.abandon({ source: source!, stream: stream! })
    const before = counts.abandoned.perf
    partition.forgetAbandonedBefore(Date.now() - 1000)
    accept(partition, shipped.slice(0, 1))
    assert.deepEqual([counts.abandoned.perf - before, [...partition.openRuns].length], [1, 0])
    partition.forgetAbandonedBefore(Date.now() + 1)
    accept(partition, shipped.slice(0, 1))
    assert.deepEqual([counts.abandoned.perf - before, [...partition.openRuns].length], [1, 1])
  })

  describe('whose checkpoint another version has written', () => {
    /** The checkpoint of a run that has come about half way, as an older version had written it, and how many messages that took. */
    function halfWay(began: Checkpoint['began']) {
      const partition = new Partition(0, options, new LoadingPartition(), at(0n), 0)
      let taken = 0
      while (partition.checkpoints.length === 0 || taken < shipped.length - 3) accept(partition, [shipped[taken++]!])
      const [{ run, serialized }] = partition.checkpoints as [Partition['checkpoints'][number]]
      const checkpoint = deserialize(serialized) as Checkpoint
      assert.ok(checkpoint.saved !== undefined)
      return { key: run.key, checkpoint: { ...checkpoint, version: checkpointVersion - 1, began } }
    }

    async function restarted({ key, checkpoint }: ReturnType<typeof halfWay>) {
      const loading = new LoadingPartition()
      const value = (await packCheckpoint(serializeCheckpoint(checkpoint)))!
      assert.equal(await loading.accept({ offset: 0n, key, headers: {}, value }), undefined)
      const partition = new Partition(0, options, loading, at(BigInt(shipped.length)), 0)
      const { startOffset, problems } = partition
      // As they lie in the topic, from there on.
      accept(
        partition,
        shipped.filter(({ headers, offset }) => offset >= startOffset[headers['track'] as Track]),
      )
      return { partition, startOffset, problems }
    }

    it('are computed anew from their beginning when it lies not far back', async () => {
      const { partition, startOffset, problems } = await restarted(halfWay(at(0n)))
      assert.deepEqual(startOffset, at(0n))
      assert.match(problems.join(), /it has version .* computed anew from its beginning/)
      const { rows } = await analyzeCapture(capture)
      const told = partition.rows.map(({ table, row }) => ({ table, row }))
      assert.deepEqual(
        told,
        rows.map(({ table, row }) => ({ table, row })),
      )
    })

    it('go on where they stood when they are old, and are as they were from the second after the next one on', async () => {
      const old = halfWay(at(-1_000_000n))
      const { resume } = old.checkpoint
      const before = structuredClone(counts)
      const { partition, startOffset, problems } = await restarted(old)
      assert.deepEqual(startOffset, { gotrace: resume.gotrace?.offset, perf: resume.perf?.offset })
      assert.match(problems.join(), /it goes on from there with nothing known of before/)
      assert.deepEqual([counts.gaps, counts.lostBytes, counts.late], [before.gaps, before.lostBytes, before.late])
      const { rows } = await analyzeCapture(capture)
      const firstNs = BigInt(partition.rows.find(({ table }) => table === 'time_classes')!.row.ts)
      const later = (told: readonly { table: string; row: Row }[]) =>
        told
          .filter(({ table, row }) => table === 'netpoll_delays' && BigInt(row.ts) > firstNs + 1_000_000_000n)
          .map(({ row }) => row)
      assert.ok(later(rows).length > 0)
      assert.deepEqual(later(partition.rows), later(rows))
    })
  })
})
