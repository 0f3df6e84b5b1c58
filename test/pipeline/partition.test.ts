import assert from 'node:assert/strict'
import { mostWaitingBytes } from '../../src/pipeline/partition.js'

const waiting = (gotrace: number, perf: number) => ({ waitingBytes: { gotrace, perf } })

describe('what may wait for the other track', () => {
  it('is all that a member has room for, whichever partition needs it', () => {
    assert.equal(mostWaitingBytes([waiting(900, 0), waiting(0, 100), waiting(0, 0)], 1000), 1000)
  })

  it('is an equal share for each partition once the member has no more room, however many partitions it has', () => {
    assert.equal(mostWaitingBytes([waiting(901, 0), waiting(0, 100), waiting(0, 0), waiting(0, 0)], 1000), 250)
  })
})
