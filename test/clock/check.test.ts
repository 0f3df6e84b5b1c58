import assert from 'node:assert/strict'
import { FitCheck } from '../../src/analysis/fit.js'
import { checkPolls, checkRefuses } from '../../src/clock/fit/check.js'
import { Marks, MarkKind, toLanes } from '../../src/clock/fit/marks.js'

const sameClock = [{ fromPerfNs: -Infinity, anchorPerfNs: 0, offsetNs: 0, driftPpm: 0 }]
const tid = 7

/** A network unblock every 50 ms, so and so long after its epoll_pwait; `between` adds what perf saw in between. */
function check(
  delaysNs: readonly number[],
  between: (perf: Marks, fromNs: number, toNs: number) => void = () => undefined,
) {
  const go = new Marks()
  const perf = new Marks()
  delaysNs.forEach((delayNs, i) => {
    const pollNs = i * 50e6
    perf.add(MarkKind.Poll, tid, pollNs)
    go.add(MarkKind.Poll, tid, pollNs + delayNs)
    if (delayNs > 1e6) between(perf, pollNs, pollNs + delayNs)
  })
  perf.add(MarkKind.Enter, tid, delaysNs.length * 50e6)
  return checkPolls(toLanes(go, false), toLanes(perf, false), sameClock, undefined)
}

/** 190 delays of 5 µs and ten of 4 ms: p99 is 4 ms, and all are within 5 ms. */
const delays = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 4e6 : 5e3))

describe('the check of a join by network unblocks', () => {
  it('refuses when p99 of the delay after epoll_pwait is more than 1 ms, though each has its epoll_pwait', () => {
    const found = check(delays)
    assert.deepEqual(found, { pairs: 200, unmatched: 0, unexplained: 200, late: 10 })
    assert.ok(checkRefuses(found, false) && checkRefuses(found, true))
  })

  it('does not hold against the clocks what perf explains: the thread lost its CPU in between', () => {
    const found = check(delays, (perf, fromNs) => perf.add(MarkKind.Unpark, tid, fromNs + 3e6))
    assert.deepEqual(found, { pairs: 200, unmatched: 0, unexplained: 190, late: 0 })
    assert.ok(!checkRefuses(found, false))
  })

  it('takes an epoll_pwait for another one when its thread slept since', () => {
    const found = check(delays, (perf, fromNs) => {
      perf.add(MarkKind.Park, tid, fromNs + 1e6)
      perf.add(MarkKind.Unpark, tid, fromNs + 3e6)
    })
    assert.deepEqual(found, { pairs: 190, unmatched: 10, unexplained: 190, late: 0 })
  })

  it('does not refuse for a few late ones', () => {
    const found = check(delays.map((delayNs, i) => (i > 80 ? 5e3 : delayNs)))
    assert.equal(found.late, 5)
    assert.ok(checkRefuses(found, false))
    const four = check(delays.map((delayNs, i) => (i > 79 ? 5e3 : delayNs)))
    assert.equal(four.late, 4)
    assert.ok(!checkRefuses(four, false))
  })

  it('judges the events of an analysis alike', () => {
    const refused = new FitCheck()
    const excused = new FitCheck()
    for (const [i, delayNs] of delays.entries()) {
      refused.clockPair(i, delayNs, false)
      excused.clockPair(i, delayNs, delayNs > 1e6)
    }
    assert.deepEqual([refused.contradicts(0), refused.refuses(0)], [true, true])
    assert.deepEqual([excused.contradicts(0), excused.refuses(0)], [false, false])
    assert.equal(refused.summary.unmatched, 0)
  })
})
