import assert from 'node:assert/strict'
import { pino } from 'pino'
import { newCounts } from '../../src/pipeline/counts.js'
import { Deliveries } from '../../src/pipeline/deliveries.js'
import { monotonicMs } from '../../src/pipeline/monotonic.js'
import type { Partition } from '../../src/pipeline/partition.js'
import { silentTrack } from '../../src/pipeline/silence.js'
import { SilentTracks } from '../../src/pipeline/silentTracks.js'
import type { Writer } from '../../src/pipeline/writer.js'
import type { Track } from '../../src/transport/envelope.js'
import { topicNames } from '../../src/transport/topics.js'

const lateness = 10_000
const idle = 600_000

function run(starving: Track | undefined, gotrace: number, perf: number, ended: readonly Track[] = []) {
  const lastBytesMs = { gotrace, perf }
  return { starving, lastSeenMs: { ...lastBytesMs }, lastBytesMs, isEnded: (track: Track) => ended.includes(track) }
}

describe('a silent track', () => {
  it('is ended when the other one went on for longer than the lateness', () => {
    assert.equal(silentTrack(run('perf', 30_000, 19_000), 30_000, lateness, idle), 'perf')
  })

  it('is waited for while the other one has not gone on for long', () => {
    assert.equal(silentTrack(run('perf', 30_000, 21_000), 30_000, lateness, idle), undefined)
  })

  it('is not the one that nobody waits for', () => {
    assert.equal(silentTrack(run('gotrace', 30_000, 0), 30_000, lateness, idle), undefined)
  })

  it('is not ended because everything stood still, as when the store was away', () => {
    assert.equal(silentTrack(run('perf', 1000, 900), 500_000, lateness, idle), undefined)
  })

  it('is ended when the other one is complete and nothing comes', () => {
    assert.equal(silentTrack(run('perf', 1000, 900, ['gotrace']), 12_000, lateness, idle), 'perf')
  })

  it('is ended when nothing at all came for the idle time', () => {
    assert.equal(silentTrack(run('gotrace', 1000, 900), 1000 + idle + 1, lateness, idle), 'gotrace')
  })

  it('is waited for while its collector gives signs of life, but not longer than the idle time', () => {
    const alive = run('perf', 30_000, 1000)
    alive.lastSeenMs.perf = 29_000
    assert.equal(silentTrack(alive, 30_000, lateness, idle), undefined)
    const forLong = run('perf', 1000 + idle + 1, 1000)
    forLong.lastSeenMs.perf = 1000 + idle
    assert.equal(silentTrack(forLong, 1000 + idle + 1, lateness, idle), 'perf')
  })

  it('is waited for while both give signs of life and nothing else, as those of a process that is stopped', () => {
    const stopped = run('gotrace', 1000, 1000)
    Object.assign(stopped.lastSeenMs, { gotrace: 999_000, perf: 999_000 })
    assert.equal(silentTrack(stopped, 1_000_000, lateness, idle), undefined)
  })

  it('is ended when the other one, which is held back for it, could have gone on for longer than the lateness', () => {
    const heldBack = run('perf', 1000, 900)
    assert.equal(silentTrack(heldBack, 20_000, lateness, idle, 9000), 'perf')
    assert.equal(silentTrack(heldBack, 20_000, lateness, idle, 11_000), undefined)
    heldBack.lastSeenMs.perf = 11_000
    assert.equal(silentTrack(heldBack, 20_000, lateness, idle, 9000), undefined)
    // Signs of life alone are not waited for for ever.
    const forLong = 9000 + idle + 1
    heldBack.lastSeenMs.perf = forLong
    assert.equal(silentTrack(heldBack, forLong, lateness, idle, 9000), 'perf')
  })

  it('is not ended because the other one gives signs of life', () => {
    const quiet = run('gotrace', 1000, 1000)
    quiet.lastSeenMs.perf = 60_000
    assert.equal(silentTrack(quiet, 60_000, lateness, idle), undefined)
  })
})

describe('what Kafka says when it is back', () => {
  /** A run of which nothing has come for longer than it may, and what happens to it while Kafka is asked whether more is there. */
  async function endedTracks(whileAsking: (world: { away: boolean; run: ReturnType<typeof run> }) => void) {
    const nowMs = monotonicMs()
    const world = { away: false, run: run('gotrace', nowMs - idle - 1000, nowMs - idle - 1000) }
    const ended: Track[] = []
    const silent = new SilentTracks({
      ...{ topics: topicNames(), deliveries: new Deliveries(newCounts()), log: pino({ level: 'silent' }) },
      ...{ latenessMs: lateness, idleMs: idle, kafkaIsAway: () => world.away },
    })
    const partition = {
      ...{ number: 0, consumed: { gotrace: 7n, perf: 7n } },
      openRuns: [
        { ...world.run, source: 'a', sender: { source: 'a', service: 's', host: 'h' }, endingOf: () => ({}) },
      ].values(),
      endTrack: (_: unknown, track: Track) => ended.push(track),
    }
    const writer = { confirm: () => Promise.resolve(), keepEnding: () => Promise.resolve() }
    const endOffsets = async () => {
      await Promise.resolve()
      whileAsking(world)
      return new Map([[0, 7n]])
    }
    await silent.end(partition as unknown as Partition, undefined, endOffsets, writer as unknown as Writer)
    return ended
  }

  it('ends a track of which there is nothing more', async () => {
    assert.deepEqual(await endedTracks(() => undefined), ['gotrace'])
  })

  it('ends nothing when it was away since it was asked', async () => {
    assert.deepEqual(await endedTracks((world) => (world.away = true)), [])
    const waited = await endedTracks(({ run }) => {
      Object.assign(run.lastBytesMs, { gotrace: monotonicMs(), perf: monotonicMs() })
      Object.assign(run.lastSeenMs, run.lastBytesMs)
    })
    assert.deepEqual(waited, [])
  })
})
