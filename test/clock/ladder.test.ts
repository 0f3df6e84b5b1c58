import assert from 'node:assert/strict'
import { decideClock } from '../../src/clock/ladder.js'

describe('the decision whether both tracks share a clock', () => {
  const monotonic = {
    goVersion: '1.26',
    goJoinable: true,
    hasPerf: true,
    perfClockId: 1,
    manifestClock: undefined,
  }

  it('joins a trace of Go 1.22 or newer with perf on CLOCK_MONOTONIC', () => {
    assert.deepEqual(decideClock(monotonic), { method: 'monotonic', joined: true, reason: '' })
  })

  it('does not join a trace of Go 1.21 or older, and says why and what to do', () => {
    const { method, joined, reason } = decideClock({ ...monotonic, goVersion: '1.21', goJoinable: false })
    assert.deepEqual([method, joined], ['v1_trace', false])
    assert.match(reason, /neither thread ids nor CLOCK_MONOTONIC.*Go 1\.22 or newer.*each track is reported alone/)
  })

  it('says of a trace of Go 1.21 or older without perf that perf is missing', () => {
    const { method } = decideClock({ ...monotonic, goVersion: '1.21', goJoinable: false, hasPerf: false })
    assert.equal(method, 'no_perf')
  })
})
