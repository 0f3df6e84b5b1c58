import assert from 'node:assert/strict'
import { acknowledge, type AlertState, dueStates, nextStates, type Observation } from '../../src/alerts/state.js'

const repeatMs = 1000
const seen = (value = 12, source = 'a'): Observation => ({ rule: 'slow', labels: { source, service: 's' }, value })

/** Evaluates at each moment and tells whatever is due; gives what was told, by moment. */
function told(steps: readonly [nowMs: number, observations: readonly Observation[]][], forMs = 0): string[][] {
  let states: AlertState[] = []
  return steps.map(([nowMs, observations]) => {
    states = nextStates(states, observations, () => forMs, nowMs)
    const due = dueStates(states, repeatMs, nowMs)
    states = acknowledge(states, due, nowMs)
    return due.map(({ status, labels }) => `${labels['source']} ${status}`)
  })
}

describe('an alert’s life', () => {
  it('fires at once when the rule waits for nothing', () => {
    assert.deepEqual(told([[0, [seen()]]]), [['a firing']])
  })

  it('is pending until the condition has held for long enough', () => {
    const steps: [number, Observation[]][] = [
      [0, [seen()]],
      [59, [seen()]],
      [60, [seen()]],
    ]
    assert.deepEqual(told(steps, 60), [[], [], ['a firing']])
  })

  it('starts waiting anew when the condition was interrupted', () => {
    const steps: [number, Observation[]][] = [
      [0, [seen()]],
      [30, []],
      [60, [seen()]],
      [120, [seen()]],
    ]
    assert.deepEqual(told(steps, 60), [[], [], [], ['a firing']])
  })

  it('is not repeated before the repeat interval, and then is', () => {
    const steps: [number, Observation[]][] = [
      [0, [seen()]],
      [repeatMs - 1, [seen(99)]],
      [repeatMs, [seen()]],
      [repeatMs + 1, [seen()]],
    ]
    assert.deepEqual(told(steps), [['a firing'], [], ['a firing'], []])
  })

  it('ends with one notice', () => {
    const steps: [number, Observation[]][] = [
      [0, [seen()]],
      [1, []],
      [2, []],
    ]
    assert.deepEqual(told(steps), [['a firing'], ['a resolved'], []])
  })

  it('ends silently when nobody was told that it began', () => {
    const steps: [number, Observation[]][] = [
      [0, [seen()]],
      [1, []],
    ]
    assert.deepEqual(told(steps, 60), [[], []])
  })

  it('is told apart from others by rule and labels, whatever their order', () => {
    const swapped = { rule: 'slow', labels: { service: 's', source: 'a' }, value: 1 }
    const steps: [number, Observation[]][] = [
      [0, [seen(), seen(12, 'b')]],
      [1, [swapped]],
    ]
    assert.deepEqual(told(steps), [['a firing', 'b firing'], ['b resolved']])
  })

  it('stays due until its notice has arrived', () => {
    const firing = nextStates([], [seen()], () => 0, 0)
    assert.equal(
      dueStates(
        nextStates(firing, [seen()], () => 0, 1),
        repeatMs,
        1,
      ).length,
      1,
    )
    const over = nextStates(acknowledge(firing, firing, 0), [], () => 0, 1)
    assert.deepEqual(
      dueStates(
        nextStates(over, [], () => 0, 2),
        repeatMs,
        2,
      ).map(({ status }) => status),
      ['resolved'],
    )
  })

  it('keeps when it began and what it measured last', () => {
    const first = nextStates([], [seen(11)], () => 0, 5)
    const [later] = nextStates(first, [seen(22)], () => 0, 9)
    assert.deepEqual([later!.sinceMs, later!.value], [5, 22])
  })
})
