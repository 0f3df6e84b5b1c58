import assert from 'node:assert/strict'
import { silentTrack } from '../../src/pipeline/silence.js'
import type { Track } from '../../src/transport/envelope.js'

const lateness = 10_000
const idle = 600_000

function run(starving: Track | undefined, gotrace: number, perf: number, ended: readonly Track[] = []) {
  return { starving, lastSeenMs: { gotrace, perf }, isEnded: (track: Track) => ended.includes(track) }
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
})
