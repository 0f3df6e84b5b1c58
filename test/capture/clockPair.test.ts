import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readClockPair } from '../../src/capture/clockPair.js'
import { requireLinux } from '../support/requirements.js'

describe('clock pair', () => {
  it('finds the same offset between the clocks each time, to a small part of a millisecond', () => {
    const offsets = Array.from({ length: 9 }, readClockPair)
      .map(({ monotonicNs, wallNs }) => Number(BigInt(wallNs) - BigInt(monotonicNs)))
      .sort((one, other) => one - other)
    // On a busy machine some are read across a moment without a CPU: five of nine agree.
    const spreads = offsets.slice(4).map((offset, i) => offset - offsets[i]!)
    assert.ok(Math.min(...spreads) < 500_000, `offsets: ${offsets.join()}`)
  })

  it('counts monotonic time from the start of the machine, as perf and Go do', function () {
    requireLinux(this)
    const uptimeS = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
    const monotonicS = Number(readClockPair().monotonicNs) / 1e9
    // They differ by the time spent suspended, which uptime includes.
    assert.ok(monotonicS <= uptimeS + 1)
  })
})
