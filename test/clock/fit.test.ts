import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { GoMarks, PerfMarks } from '../../src/analysis/clockMarks.js'
import { fitTracks } from '../../src/clock/clockFit.js'
import { Marks, markKinds, MarkKind, goComesFirst } from '../../src/clock/fit/marks.js'
import type { ClockDecision } from '../../src/clock/ladder.js'
import { ClockMap } from '../../src/clock/map.js'
import { onClock } from '../support/perfTimes.js'

interface Recorded {
  readonly go: GoMarks
  readonly perf: PerfMarks
  readonly text: string
}

function readPerf(text: string): PerfMarks {
  const perf = new PerfMarks()
  perf.push(Buffer.from(text, 'latin1'))
  perf.end()
  return perf
}

function readCapture(name: string): Recorded {
  const go = new GoMarks()
  go.push(readFileSync(`test/captures/${name}/go.trace`))
  go.end()
  const text = gunzipSync(readFileSync(`test/captures/${name}/perf.script.gz`)).toString('latin1')
  return { go, perf: readPerf(text), text }
}

function fit(go: GoMarks, perf: PerfMarks, options: { sameThreads?: boolean } = {}): ClockDecision {
  return fitTracks({
    go: go.marks,
    perf: perf.marks,
    sameThreads: options.sameThreads ?? true,
    hasLost: false,
    baseOffsetNs: perf.reader.baseNs! - go.reader.baseNs!,
    guessNs: undefined,
  })
}

/** 99th percentile of how far the fitted axis puts perf's marks from where they were recorded, ns. */
function errorP99(decision: ClockDecision, shifted: PerfMarks, { go, perf }: Recorded): number {
  assert.equal(decision.reason, '')
  const map = new ClockMap(decision.fit!.pieces)
  const baseNs = Number(perf.reader.baseNs! - go.reader.baseNs!)
  const errors = Array.from({ length: perf.marks.size }, (_, i) =>
    Math.abs(map.goNs(shifted.marks.times[i]!) - (perf.marks.times[i]! + baseNs)),
  )
  return errors.sort((a, b) => a - b)[Math.floor(errors.length * 0.99)]!
}

/** What it was fitted to is told, and lies as near as it must. */
function assertPairs({ fit }: ClockDecision): void {
  const { count, residualP50Ns, residualP99Ns } = fit!.pairs!
  assert.ok(count > 1000, `${count} pairs`)
  assert.ok(residualP50Ns! > 0 && residualP50Ns! < 5e3, `${residualP50Ns} ns`)
  assert.ok(residualP99Ns! > residualP50Ns! && residualP99Ns! < 20e3, `${residualP99Ns} ns`)
}

/** The fit to a Go trace whose threads go by other names. `nameOf`: of the thread of the mark of that number. */
function inferred({ go, perf }: Recorded, nameOf: (tid: number, mark: number) => number): ClockDecision {
  const renamed = new Marks()
  const { size, lanes, times } = go.marks
  for (let i = 0; i < size; i++)
    renamed.add((lanes[i]! % markKinds) as MarkKind, nameOf(Math.floor(lanes[i]! / markKinds), i), times[i]!)
  return fitTracks({
    go: renamed,
    perf: perf.marks,
    sameThreads: false,
    hasLost: false,
    baseOffsetNs: 0n,
    guessNs: undefined,
  })
}

const hourNs = 3600e9

describe('the fit of two clocks, on real captures', () => {
  const captures = new Map<string, Recorded>()
  before(() => {
    for (const name of ['stw-netpoll', 'healthy']) captures.set(name, readCapture(name))
  })

  const cases: [capture: string, shift: string, shiftNs: number, driftPpm: number][] = [
    ['healthy', '3 ms', 3e6, 0],
    ['healthy', '−40 min', -2400e9, 100],
    ['healthy', '7 h', 7 * hourNs, -100],
    ['stw-netpoll', '−3 ms', -3e6, 20],
    ['stw-netpoll', '5 h', 5 * hourNs, 100],
  ]
  for (const [name, shift, shiftNs, driftPpm] of cases) {
    it(`recovers a shift of ${shift} and a drift of ${driftPpm} ppm (${name})`, () => {
      const recorded = captures.get(name)!
      const startNs = Number(recorded.go.reader.baseNs)
      const clock = (ns: number) => ns + shiftNs + (ns - startNs) * driftPpm * 1e-6
      const shifted = readPerf(onClock(recorded.text, clock))
      const decision = fit(recorded.go, shifted)
      assert.equal(decision.method, 'fitted')
      assert.equal(decision.fit!.pieces.length, 1)
      const found = decision.fit!.pieces[0]!.driftPpm
      assert.ok(Math.abs(found - driftPpm) < 1, `drift ${found} ppm`)
      const ns = errorP99(decision, shifted, recorded)
      assert.ok(ns < 20e3, `p99 of the error is ${ns} ns`)
      assertPairs(decision)
    })
  }

  it('finds the two pieces of a clock that went on while the machine was suspended', () => {
    const recorded = captures.get('stw-netpoll')!
    const middleNs = Number(recorded.go.reader.baseNs) + 3.2e9
    const clock = (ns: number) => ns + 2e6 + (ns > middleNs ? hourNs : 0)
    const shifted = readPerf(onClock(recorded.text, clock))
    const decision = fit(recorded.go, shifted)
    assert.equal(decision.fit?.pieces.length, 2)
    assert.ok(errorP99(decision, shifted, recorded) < 20e3)
    const [before, after] = decision.fit.pieces
    assert.ok(Math.abs(after!.offsetNs - before!.offsetNs - hourNs) < 20e3)
  })

  it('refuses a clock that was set back: a time on it may be either of two moments', () => {
    const recorded = captures.get('healthy')!
    const middleNs = Number(recorded.go.reader.baseNs) + 2e9
    const shifted = readPerf(onClock(recorded.text, (ns) => ns + 2e6 - (ns > middleNs ? 0.7e9 : 0)))
    const decision = fit(recorded.go, shifted)
    assert.deepEqual([decision.method, decision.joined], ['fit_failed', false])
    assert.match(decision.reason, /perf’s was set back by 700 ms/)
  })

  it('follows a clock whose rate changes', () => {
    const recorded = captures.get('stw-netpoll')!
    const middleNs = Number(recorded.go.reader.baseNs) + 3.5e9
    const clock = (ns: number) => ns + Math.max(0, ns - middleNs) * 80e-6
    const shifted = readPerf(onClock(recorded.text, clock))
    const decision = fit(recorded.go, shifted)
    assert.ok(decision.fit!.pieces.length > 1)
    assert.ok(errorP99(decision, shifted, recorded) < 20e3)
  })

  it('finds out which thread is which when they go by other names', () => {
    const recorded = captures.get('healthy')!
    const nameOf = (tid: number) => tid % 1000
    const decision = inferred(recorded, nameOf)
    assert.equal(decision.method, 'inferred')
    assert.ok(decision.confidence! > 0.8)
    assertPairs(decision)
    const { threads } = decision
    assert.ok(threads!.size >= 4)
    for (const [name, tid] of threads!) assert.equal(nameOf(tid), name)
  })

  it('refuses threads that it is not sure enough of', () => {
    const recorded = captures.get('healthy')!
    const { marks } = recorded.go
    const tids = [...new Set(Array.from(marks.lanes.subarray(0, marks.size), (lane) => Math.floor(lane / markKinds)))]
    const wrong = (tid: number, mark: number) =>
      tids[(tids.indexOf(tid) + 1 + (mark % (tids.length - 1))) % tids.length]!
    // Of each hundred marks so many are told of another thread than theirs.
    const decisions = [0, 10, 20, 30, 50].map((share) =>
      inferred(recorded, (tid, mark) => ((mark * 37) % 100 < share ? wrong(tid, mark) : tid)),
    )
    assert.deepEqual(
      decisions.map(({ method }) => method),
      ['inferred', 'inferred', 'inferred', 'fit_failed', 'fit_failed'],
    )
    const percents = decisions.map(({ confidence, reason }) =>
      confidence === undefined ? Number(/only (\d+) %/.exec(reason)![1]) : Math.round(confidence * 100),
    )
    assert.deepEqual(percents, [90, 81, 72, 54, 32])
    for (const { reason } of decisions.slice(3)) {
      assert.match(
        reason,
        /^the two tracks share no clock, and only \d\d % of what happened on Go’s threads is found on threads of perf; each track is reported alone$/,
      )
    }
  })

  it('refuses captures of different processes', () => {
    const { go } = captures.get('stw-netpoll')!
    const { perf } = captures.get('healthy')!
    assert.deepEqual([fit(go, perf).method, fit(go, perf).joined], ['no_common_thread', false])
    const pooled = fit(go, perf, { sameThreads: false })
    assert.equal(pooled.joined, false)
    assert.match(pooled.reason, /different processes or times|on threads of perf/)
  })

  it('refuses captures of the same process at different times', () => {
    for (const { go, perf } of captures.values()) {
      const middle = (Math.min(...go.marks.times.slice(0, 100)) + go.marks.times[go.marks.size - 1]!) / 2
      const early = new Marks()
      const late = new Marks()
      for (let i = 0; i < go.marks.size; i++) {
        const { times, lanes } = go.marks
        const lane = lanes[i]!
        if (times[i]! < middle) early.add((lane % markKinds) as MarkKind, Math.floor(lane / markKinds), times[i]!)
      }
      for (let i = 0; i < perf.marks.size; i++) {
        const { times, lanes } = perf.marks
        const lane = lanes[i]!
        if (times[i]! > middle) late.add((lane % markKinds) as MarkKind, Math.floor(lane / markKinds), times[i]!)
      }
      for (const sameThreads of [true, false]) {
        const decision = fitTracks({
          go: early,
          perf: late,
          sameThreads,
          hasLost: false,
          baseOffsetNs: 0n,
          guessNs: undefined,
        })
        assert.deepEqual([decision.method, decision.joined], ['fit_failed', false])
        assert.match(decision.reason, /different processes or times|most of the time/)
      }
    }
  })
})

describe('the fit of two clocks, on made-up pairs', () => {
  it('recovers any offset and drift when a third of the marks are outliers', () => {
    const offsets = fc.double({ min: -5e12, max: 5e12, noNaN: true })
    const drifts = fc.double({ min: -150, max: 150, noNaN: true })
    fc.assert(
      fc.property(offsets, drifts, fc.integer(), (offsetNs, driftPpm, seed) => {
        const { go, perf, clock } = madeUp(offsetNs, driftPpm, seed)
        const decision = fitTracks({
          go,
          perf,
          sameThreads: true,
          hasLost: true,
          baseOffsetNs: 0n,
          guessNs: undefined,
        })
        assert.equal(decision.method, 'fitted', decision.reason)
        const map = new ClockMap(decision.fit!.pieces)
        for (const ns of [0.5e9, 2e9, 3.5e9]) assert.ok(Math.abs(map.goNs(clock(ns)) - ns) < 10e3)
        assert.ok(Math.abs(decision.fit!.pieces[0]!.driftPpm - driftPpm) < 2)
      }),
      { numRuns: 30 },
    )
  })

  it('is not misled by the slope of the few ms that a trace is longer than whole seconds', () => {
    const { go, perf, clock } = madeUp(5e9, 0, 7)
    // First slow to enter the kernel, then slow to come back: a clock that gains 2,000 ppm would explain that even better.
    const firstNs = go.times.subarray(0, go.size).reduce((a, b) => Math.min(a, b))
    for (let i = 0; i < 60; i++) {
      const atNs = firstNs + 4e9 + i * 70e3
      const kind = i < 30 ? MarkKind.Enter : MarkKind.Exit
      go.add(kind, 100, atNs)
      perf.add(kind, 100, clock(atNs + (goComesFirst[kind] ? 12e3 : -12e3)))
    }
    const decision = fitTracks({ go, perf, sameThreads: true, hasLost: true, baseOffsetNs: 0n, guessNs: undefined })
    assert.equal(decision.method, 'fitted', decision.reason)
    const map = new ClockMap(decision.fit!.pieces)
    for (const ns of [0.5e9, 2e9, 3.5e9]) assert.ok(Math.abs(map.goNs(clock(ns)) - ns) < 10e3)
    assert.ok(Math.abs(decision.fit!.pieces[0]!.driftPpm) < 2)
  })

  it('finds a piece for each of two captures of one process, each on a clock of its own', () => {
    const early = madeUp(3e9, 40, 5)
    const late = madeUp(-2e12, -60, 6)
    const laterNs = 600e9
    for (let i = 0; i < late.go.size; i++) addAgain(early.go, late.go, i, laterNs)
    for (let i = 0; i < late.perf.size; i++) addAgain(early.perf, late.perf, i, laterNs + 4e12)
    const { go, perf } = early
    const decision = fitTracks({ go, perf, sameThreads: true, hasLost: true, baseOffsetNs: 0n, guessNs: undefined })
    assert.equal(decision.method, 'fitted', decision.reason)
    assert.equal(decision.fit!.pieces.length, 2)
    const map = new ClockMap(decision.fit!.pieces)
    for (const ns of [0.5e9, 3.5e9]) {
      assert.ok(Math.abs(map.goNs(early.clock(ns)) - ns) < 10e3)
      assert.ok(Math.abs(map.goNs(late.clock(ns) + laterNs + 4e12) - ns - laterNs) < 10e3)
    }
  })

  it('refuses when too many network unblocks come long after their epoll_pwait, though all have one', () => {
    // One in twenty is 3 ms late: 95 % match within 1 ms.
    const { go, perf } = madeUp(5e9, 0, 3)
    const polls = new Marks()
    let count = 0
    for (let i = 0; i < go.size; i++) {
      const isLate = go.lanes[i]! % markKinds === MarkKind.Poll && ++count % 20 === 0
      addAgain(polls, go, i, isLate ? 3e6 : 0)
    }
    const withoutParks = new Marks()
    for (let i = 0; i < perf.size; i++) {
      const kind = perf.lanes[i]! % markKinds
      if (kind !== MarkKind.Park && kind !== MarkKind.Unpark) addAgain(withoutParks, perf, i, 0)
    }
    const decision = fitTracks({
      go: polls,
      perf: withoutParks,
      sameThreads: true,
      hasLost: true,
      baseOffsetNs: 0n,
      guessNs: undefined,
    })
    assert.deepEqual([decision.method, decision.joined], ['fit_failed', false])
    assert.match(decision.reason, /of the network unblocks come more than 1 ms after their epoll_pwait/)
  })

  it('says that nothing fits when nothing does', () => {
    const { go } = madeUp(0, 0, 1)
    const { perf } = madeUp(0, 0, 2)
    const decision = fitTracks({ go, perf, sameThreads: true, hasLost: true, baseOffsetNs: 0n, guessNs: undefined })
    assert.equal(decision.method, 'fit_failed')
  })

  it('takes the wall clock’s word when there is too little to fit', () => {
    const go = new Marks()
    const perf = new Marks()
    go.add(MarkKind.Enter, 7, 1e9)
    perf.add(MarkKind.Enter, 7, 6e9)
    const decision = fitTracks({ go, perf, sameThreads: true, hasLost: false, baseOffsetNs: 0n, guessNs: 5e9 })
    assert.equal(decision.method, 'reference')
    assert.equal(decision.fit!.pairs, undefined)
    assert.equal(new ClockMap(decision.fit!.pieces).goNs(6e9), 1e9)
  })
})

function addAgain(to: Marks, from: Marks, i: number, laterNs: number): void {
  const lane = from.lanes[i]!
  to.add((lane % markKinds) as MarkKind, Math.floor(lane / markKinds), from.times[i]! + laterNs)
}

/** Four seconds on three threads; every third mark of either side, save for network unblocks, has no partner. */
function madeUp(offsetNs: number, driftPpm: number, seed: number) {
  let state = seed >>> 0
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const clock = (ns: number) => ns + offsetNs + ns * driftPpm * 1e-6
  const go = new Marks()
  const perf = new Marks()
  const kinds = Object.values(MarkKind)
  for (let i = 0; i < 3000; i++) {
    const atNs = random() * 4e9
    const tid = 100 + Math.floor(random() * 3)
    const kind = kinds[Math.floor(random() * kinds.length)]!
    const delayNs = 500 + random() * 4000
    const partner = goComesFirst[kind] ? atNs + delayNs : atNs - delayNs
    // Those with one side only are the outliers; network unblocks are what a fit is judged by.
    const whole = kind === MarkKind.Poll
    if (whole || i % 3 !== 1) go.add(kind, tid, atNs)
    if (whole || i % 3 !== 2) perf.add(kind, tid, clock(partner))
  }
  return { go, perf, clock }
}
