import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Random } from '../../bench/random.js'
import { newCounts } from '../../src/pipeline/counts.js'
import { Deliveries } from '../../src/pipeline/deliveries.js'
import { LoadingPartition } from '../../src/pipeline/loading.js'
import { openCapture } from '../../src/pipeline/offline.js'
import { Partition } from '../../src/pipeline/partition.js'
import { receive } from '../../src/pipeline/reception.js'
import { replay } from '../../src/pipeline/replay.js'
import { packageRoot } from '../../src/stack/paths.js'
import type { Headers, Track } from '../../src/transport/envelope.js'
import { unpack } from '../../src/transport/packing.js'
import { topicNames } from '../../src/transport/topics.js'
import type { InMessage, OutMessage } from '../../src/transport/transport.js'
import { computedRows } from '../support/storedRows.js'
import { truthOf } from './oracle.js'

/** With holes, a third of the messages is gone. */
const lostInPercent = 33
const source = 'a/service/1/2026'

describe('the truth that the fault test compares with', () => {
  let shipped: InMessage[] = []

  before(async () => {
    const opened = await openCapture(join(packageRoot(), 'test/captures/stw-netpoll'))
    const sent: OutMessage[] = []
    const named = { ...opened, run: undefined, names: { ...opened.names, source } }
    const producer = { send: (messages: readonly OutMessage[]) => Promise.resolve(void sent.push(...messages)) }
    await replay(named, producer, { topics: topicNames(), sources: 1, speed: undefined, messageBytes: 20_000 })
    shipped = await Promise.all(
      sent.map(({ key, headers, value }, at) => unpack({ offset: BigInt(at), key, headers, value: value! })),
    )
  })

  for (const seed of [1, 2, 3, 4, 5])
    it(`is what a normalizer makes of messages of which some are missing and some came twice (seed ${seed})`, () => {
      const random = new Random(seed)
      const came = shipped
        .filter(({ headers }) => headers['end'] === '1' || random.below(100) >= lostInPercent)
        .flatMap((message) => (random.below(4) === 0 ? [message, message] : [message]))
        .map((message, at) => ({
          ...message,
          offset: BigInt(at),
          headers: shippedAt(message.headers, at),
        }))
      const wanted = truthOf(came).rows.get(source)
      const counts = newCounts()
      const options = { counts, deliveries: new Deliveries(counts), thresholds: undefined, checkpointEveryMs: 0 }
      const partition = new Partition(0, options, new LoadingPartition(), { gotrace: 0n, perf: 0n }, 0)
      for (const message of came)
        assert.equal(receive(partition, message.headers['track'] as Track, message, counts), undefined)
      assert.deepEqual(computedRows(partition.rows, source), wanted)
      const lost = wanted!['pipeline_health']!.reduce((sum, row) => sum + Number(row['lost_bytes']), 0)
      assert.ok(lost > 0)
    })

  const shippedAt = (headers: Headers, atMs: number): Headers => ({ ...headers, shippedAtMs: String(atMs) })
})
