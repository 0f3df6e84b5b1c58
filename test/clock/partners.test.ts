import assert from 'node:assert/strict'
import { MarkKind, type Lane } from '../../src/clock/fit/marks.js'
import { fittedPairs } from '../../src/clock/fit/partners.js'

/** perf's clock is 7 s ahead. */
const aheadNs = 7e9
const pieces = [{ fromPerfNs: -Infinity, anchorPerfNs: 0, offsetNs: aheadNs, driftPpm: 0 }]

/** `marks`: time and thread of each. */
function lane(kind: MarkKind, aheadOfGoNs: number, marks: readonly (readonly [ns: number, tid: number])[]): Lane {
  const times = Float64Array.from(marks, ([ns]) => ns + aheadOfGoNs)
  return { kind, tid: -1, times, tids: Float64Array.from(marks, ([, tid]) => tid) }
}

/** Calls begin before perf's record of them and end after it. */
const pairs = [
  {
    go: lane(MarkKind.Enter, 0, [
      [10e3, 1],
      [100e3, 1],
      [200e3, 1],
      [300e3, 1],
      [400e3, 2],
    ]),
    // Nothing before 50 µs, and nothing near the mark at 300 µs.
    perf: lane(MarkKind.Enter, aheadNs, [
      [50e3, 11],
      [101e3, 11],
      [203e3, 11],
      [350e3, 11],
      [404e3, 12],
    ]),
  },
  {
    go: lane(MarkKind.Exit, 0, [
      [600e3, 1],
      [650e3, 1],
    ]),
    // The second is 2 µs the wrong way round: the clocks are not known that well.
    perf: lane(MarkKind.Exit, aheadNs, [
      [500e3, 11],
      [595e3, 12],
      [652e3, 11],
    ]),
  },
]

describe('the pairs of a fit', () => {
  it('are the marks of Go with perf’s nearest on the right side, and how far apart they lie', () => {
    // 1, 2, 3, 4 and 5 µs.
    assert.deepEqual(fittedPairs(pairs, pieces, undefined), { count: 5, residualP50Ns: 3e3, residualP99Ns: 5e3 })
  })

  it('are those on threads that were found to be one, where threads have other names', () => {
    const threads = new Map([[1, 11]])
    assert.deepEqual(fittedPairs(pairs, pieces, threads), { count: 3, residualP50Ns: 2e3, residualP99Ns: 3e3 })
  })

  it('have no residual when there are none', () => {
    assert.deepEqual(fittedPairs([], pieces, undefined), { count: 0, residualP50Ns: null, residualP99Ns: null })
  })
})
