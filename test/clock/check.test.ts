import assert from 'node:assert/strict'
import { FitCheck } from '../../src/analysis/fit.js'
import { checkJoin, contradictionOf, type JoinCheck } from '../../src/clock/fit/check.js'
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
  return checkJoin(toLanes(go, false), toLanes(perf, false), sameClock, undefined)
}

const ofUnblocks = ({ pairs, unmatched, unexplained, late }: JoinCheck) => ({ pairs, unmatched, unexplained, late })

/** 190 delays of 5 µs and ten of 4 ms: p99 is 4 ms, and all are within 5 ms. */
const delays = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 4e6 : 5e3))

describe('the check of a join by network unblocks', () => {
  it('refuses when p99 of the delay after epoll_pwait is more than 1 ms, though each has its epoll_pwait', () => {
    const found = check(delays)
    assert.deepEqual(ofUnblocks(found), { pairs: 200, unmatched: 0, unexplained: 200, late: 10 })
    assert.deepEqual([contradictionOf(found, false), contradictionOf(found, true)], ['late', 'late'])
  })

  it('does not hold late ones against the clocks when threads are on the CPU whenever they write', () => {
    const found = check(delays)
    assert.equal(contradictionOf({ ...found, awake: 98, asleep: 2 }, false), undefined)
    assert.equal(contradictionOf({ ...found, awake: 97, asleep: 3 }, false), 'late')
    assert.equal(contradictionOf({ ...found, awake: 40, asleep: 0 }, false), 'late')
  })

  it('does not hold against the clocks what perf explains: the thread lost its CPU in between', () => {
    const found = check(delays, (perf, fromNs) => perf.add(MarkKind.Unpark, tid, fromNs + 3e6))
    assert.deepEqual(ofUnblocks(found), { pairs: 200, unmatched: 0, unexplained: 190, late: 0 })
    assert.equal(contradictionOf(found, false), undefined)
  })

  it('takes an epoll_pwait for another one when its thread slept since', () => {
    const found = check(delays, (perf, fromNs) => {
      perf.add(MarkKind.Park, tid, fromNs + 1e6)
      perf.add(MarkKind.Unpark, tid, fromNs + 3e6)
    })
    assert.deepEqual(ofUnblocks(found), { pairs: 190, unmatched: 10, unexplained: 190, late: 0 })
  })

  it('does not refuse for a few late ones', () => {
    const found = check(delays.map((delayNs, i) => (i > 80 ? 5e3 : delayNs)))
    assert.equal(found.late, 5)
    assert.equal(contradictionOf(found, false), 'late')
    const four = check(delays.map((delayNs, i) => (i > 79 ? 5e3 : delayNs)))
    assert.equal(four.late, 4)
    assert.equal(contradictionOf(four, false), undefined)
  })

  it('takes unblocks without an epoll_pwait for expired deadlines while what epoll reports is answered', () => {
    for (const [answered, expected] of [
      [200, undefined],
      [20, 'unmatched'],
    ] as const) {
      const go = new Marks()
      const perf = new Marks()
      for (let i = 0; i < 200; i++) {
        const pollNs = i * 50e6
        // The netpoller’s own wake-up, and what it reports of sockets; a deadline expires when the next poll has returned nothing.
        for (const [atNs, kind] of [
          [0, MarkKind.Poll] as const,
          [1e6, MarkKind.Poll] as const,
          [9e6, MarkKind.EmptyPoll] as const,
        ])
          perf.add(kind, tid, pollNs + atNs)
        if (i < answered) go.add(MarkKind.Poll, tid, pollNs + 1e6 + 5e3)
        for (let k = 0; k < 5; k++) go.add(MarkKind.Poll, tid, pollNs + 10e6 + k * 1e3)
      }
      const found = checkJoin(toLanes(go, false), toLanes(perf, false), sameClock, undefined)
      assert.deepEqual(ofUnblocks(found), { pairs: answered, unmatched: 995, unexplained: answered, late: 0 })
      // The first two come before Go’s first event, the last unblocks after perf’s last record.
      assert.deepEqual([found.answered, found.unanswered], [answered - 1, 399 - answered])
      assert.equal(contradictionOf(found, false), expected)
    }
  })

  it('judges the events of an analysis alike', () => {
    const refused = new FitCheck()
    const excused = new FitCheck()
    for (const [i, delayNs] of delays.entries()) {
      refused.clockPair(i, delayNs, false)
      excused.clockPair(i, delayNs, delayNs > 1e6)
    }
    assert.deepEqual([refused.contradiction(0), refused.refuses(0)], ['late', true])
    assert.deepEqual([excused.contradiction(0), excused.refuses(0)], [undefined, false])
    assert.equal(refused.summary.unmatched, 0)
  })
})
