import assert from 'node:assert/strict'
import { ShippedRun } from '../../src/pipeline/collect/shippedRun.js'
import { newInputStatus } from '../../src/pipeline/collect/status.js'
import { decodeEnvelope, type Envelope, type Track } from '../../src/transport/envelope.js'
import { unpack } from '../../src/transport/packing.js'
import { topicNames } from '../../src/transport/topics.js'
import type { InMessage, OutMessage } from '../../src/transport/transport.js'

/** What a collector of one source ships, run by run, without a Kafka. */
export class TestOutbox {
  readonly status = newInputStatus('a test')
  private readonly messages: InMessage[] = []
  private begun = 0

  begin(isAlive: (track: Track) => boolean): ShippedRun {
    const outbox = {
      offer: async (unit: readonly OutMessage[]) => {
        for (const { key, headers, value } of unit)
          this.messages.push(await unpack({ offset: 0n, key, headers, value: value! }))
        return true
      },
      tell: () => Promise.resolve(),
    }
    const identity = {
      ...{
        source: 'h/s/1/2026',
        service: 's',
        host: 'h',
        stream: `0${++this.begun}-a`,
        tracks: 'gotrace,perf' as const,
      },
      ...{ clockMonotonicNs: '1', clockWallNs: '1', perfClock: undefined },
    }
    const to = { outbox, topics: topicNames(''), messageBytes: 100_000 }
    return new ShippedRun(identity, to, this.status, isAlive)
  }

  /** The bytes of each run's tracks, and those of them that have ended; nothing follows an end. */
  runs(): { gotrace: Buffer; perf: Buffer; ended: string[] }[] {
    const found = new Map<string, { gotrace: Uint8Array[]; perf: Uint8Array[]; ended: string[] }>()
    for (const { headers, value } of this.messages) {
      const { stream, track, end } = decodeEnvelope(headers) as Envelope
      const run = found.get(stream) ?? { gotrace: [], perf: [], ended: [] }
      found.set(stream, run)
      assert.ok(!run.ended.includes(track), `${track} goes on behind its end`)
      if (end === true) run.ended.push(track)
      else run[track].push(value)
    }
    return [...found.values()].map(({ gotrace, perf, ended }) => {
      return { gotrace: Buffer.concat(gotrace), perf: Buffer.concat(perf), ended: ended.sort() }
    })
  }
}
