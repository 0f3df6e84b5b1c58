import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readClockPair } from '../../src/capture/clockPair.js'
import { requireLinux } from '../support/requirements.js'

describe('clock pair', () => {
  it('finds the same offset between the clocks each time, to a small part of a millisecond', () => {
    const offsets = [readClockPair(), readClockPair(), readClockPair()].map(
      ({ monotonicNs, wallNs }) => BigInt(wallNs) - BigInt(monotonicNs),
    )
    const spread = offsets.map((offset) => Number(offset - offsets[0]!)).map(Math.abs)
    assert.ok(Math.max(...spread) < 500_000, `offsets differ by ${Math.max(...spread)} ns`)
  })

  it('counts monotonic time from the start of the machine, as perf and Go do', function () {
    requireLinux(this)
    const uptimeS = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
    const monotonicS = Number(readClockPair().monotonicNs) / 1e9
    // They differ by the time spent suspended, which uptime includes.
    assert.ok(monotonicS <= uptimeS + 1)
  })
})
