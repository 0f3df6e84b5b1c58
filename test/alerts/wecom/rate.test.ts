import assert from 'node:assert/strict'
import fc from 'fast-check'
import { messagesPerMinute, SendWindow } from '../../../src/alerts/wecom/rate.js'

describe('the robot’s limit of messages', () => {
  it('never lets more than 20 through in any minute, and always lets one through in the end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 25, maxLength: 80 }), (pausesMs) => {
        const window = new SendWindow()
        const sentMs: number[] = []
        let nowMs = 1_000_000
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs + window.waitMs(nowMs + pauseMs)
          assert.equal(window.waitMs(nowMs), 0)
          window.sent(nowMs)
          sentMs.push(nowMs)
        }
        for (const [i, ms] of sentMs.entries()) {
          const twentyLater = sentMs[i + messagesPerMinute]
          if (twentyLater !== undefined) assert.ok(twentyLater - ms >= 60_000)
        }
      }),
    )
  })

  it('does not wait for the first twenty', () => {
    const window = new SendWindow()
    for (let i = 0; i < messagesPerMinute; i++) {
      assert.equal(window.waitMs(5000), 0)
      window.sent(5000)
    }
    assert.ok(window.waitMs(5000) > 60_000)
  })

  it('goes on counting after a restart', () => {
    const before = new SendWindow()
    for (let i = 0; i < messagesPerMinute; i++) before.sent(5000)
    assert.ok(new SendWindow(before.recentMs(6000)).waitMs(6000) > 0)
    assert.deepEqual(before.recentMs(5000 + 120_000), [])
  })

  it('does not wait for moments in the future, which a clock set back leaves behind', () => {
    assert.equal(new SendWindow(new Array<number>(20).fill(9_000_000)).waitMs(5000), 0)
  })

  it('waits a whole minute when WeCom says it is full', () => {
    const window = new SendWindow()
    window.full(5000)
    assert.ok(window.waitMs(5000) >= 60_000)
  })
})
