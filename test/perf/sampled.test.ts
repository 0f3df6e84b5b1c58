import assert from 'node:assert/strict'
import { PerfScriptReader } from '../../src/perf/index.js'
import { fixture, read } from './support.js'

/** Of every sample: its event, and whether its durations are refused. */
function refusals(text: Uint8Array | string): [string, boolean][] {
  const reader = new PerfScriptReader()
  reader.push(typeof text === 'string' ? Buffer.from(text) : text)
  reader.end()
  const samples: [string, boolean][] = []
  while (reader.next()) samples.push([reader.eventName(reader.record.eventId), reader.record.isSampled])
  return samples
}

const sample = (time: number, event: string, period: number) =>
  `x 7/8 [001] 10.00000000${time}: ${period} ${event}: arguments\n`

describe('sampled tracepoints', () => {
  for (const name of ['sampled-tracepoint', 'sampled-tracepoint-no-period-5.10', 'sampled-tracepoint-no-period-6.12']) {
    it(`are refused from the first on when the header tells a frequency, which is said once: ${name}`, () => {
      const samples = refusals(fixture(name))
      assert.ok(samples.length > 1)
      assert.ok(samples.every(([event, refused]) => refused === event.startsWith('sched:')))
      const { reader } = read(fixture(name))
      assert.deepEqual([...reader.problemCounts], [['sampled_tracepoint', 1]])
      assert.match(
        reader.problems[0]!.detail,
        /^perf recorded only some events of sched:sched_switch \(99 a second\).*: no durations are computed from such events; record with -e 'cpu-clock\/freq=99\/' instead of -F 99$/,
      )
    })
  }

  it('are refused from the first period other than 1 on, where there is no header', () => {
    const text =
      sample(1, 'sched:sched_switch', 1) +
      sample(2, 'sched:sched_switch', 21) +
      sample(3, 'sched:sched_waking', 1) +
      sample(4, 'sched:sched_switch', 1) +
      sample(5, 'sched:sched_switch', 7)
    assert.deepEqual(
      refusals(text).map(([, refused]) => refused),
      [false, true, false, true, true],
    )
    assert.deepEqual([...read(text).reader.problemCounts], [['sampled_tracepoint', 1]])
  })

  it('are not those recorded with -c N: the kernel records every one when perf asks for the period of each', () => {
    assert.deepEqual(
      refusals(fixture('tracepoint-count')).map(([, refused]) => refused),
      [false, false, false],
    )
    const withoutPeriod = fixture('tracepoint-count').toString().replace('|CPU|PERIOD|RAW', '|CPU|RAW')
    const { reader } = read(withoutPeriod)
    assert.ok(reader.isSampled('sched:sched_switch'))
    assert.match(reader.problems[0]!.detail, /\(one in 100\).*record without -c$/)
  })

  it('are not events whose period is a time, nor samples of the CPU clock', () => {
    const text = sample(1, 'sched:sched_stat_runtime', 66_209) + sample(2, 'cpu-clock', 2_004_008)
    assert.deepEqual(
      refusals(text).map(([, refused]) => refused),
      [false, false],
    )
    assert.equal(read(text).reader.problemCounts.size, 0)
  })

  it('are known to a reader that goes on elsewhere, and told again by a record that is read again', () => {
    const text = Buffer.from(
      sample(1, 'sched:sched_switch', 1) + sample(2, 'sched:sched_switch', 21) + sample(3, 'sched:sched_switch', 1),
    )
    const first = new PerfScriptReader()
    first.push(text)
    first.next()
    first.next()
    const state = structuredClone(first.save())
    for (const [consumedBytes, refused] of [
      [state.consumedBytes, [true]],
      [first.record.offsetBytes, [true, true]],
      [0, [false, true, true]],
    ] as const) {
      const second = PerfScriptReader.restore({ ...state, consumedBytes })
      second.push(text.subarray(consumedBytes))
      second.end()
      const seen: boolean[] = []
      while (second.next()) seen.push(second.record.isSampled)
      assert.deepEqual(seen, refused)
    }
  })
})
