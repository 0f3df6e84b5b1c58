import assert from 'node:assert/strict'
import { PerfScriptReader } from '../../src/perf/index.js'
import { fixture, read, subset } from './support.js'

type Frame = Record<string, unknown>

function framesOf(name: string, event = 'cpu-clock'): Frame[] {
  const sample = read(fixture(name)).records.find((record) => record['event'] === event)
  return sample!['frames'] as Frame[]
}

describe('perf script, thread names', () => {
  for (const [name, comm] of [
    ['hash', '# a'],
    ['digits', '12 34/5'],
    ['colon', 'a: 1.000001: b'],
    ['tab', 'a\tb'],
    ['empty', ''],
    ['invalid-utf8', 'w\ufffd\ufffd('],
  ] as const) {
    it(`are read as the thread gave them: ${name}`, () => {
      const { reader, records } = read(fixture(`comm-${name}`))
      const seen = records.map((record) => [record['kind'], record['comm'], (record['frames'] as Frame[]).length])
      assert.deepEqual(seen, [
        ['comm', comm, 0],
        ['sample', comm, 3],
      ])
      assert.deepEqual([...reader.problemCounts], [])
    })
  }

  it('with a newline lose what precedes it, which is reported, and no record', () => {
    const { reader, records } = read(fixture('comm-newline'))
    const seen = records.map((record) => [record['kind'], record['comm'], record['tid']])
    assert.deepEqual(seen, [
      ['comm', 'b', 7650],
      ['sample', 'b', 7650],
    ])
    // The line "a" above the first record, "b:7650/7650" behind it, and "a" again.
    assert.deepEqual(
      reader.problems.map(({ line }) => line),
      [1, 3, 4],
    )
  })
})

describe('perf script, places of code', () => {
  const columns = (frames: Frame[]) => frames.map(({ symbol, dso, kernel }) => [symbol, dso, kernel])

  it('may be a file in memory whose name has a space', () => {
    assert.deepEqual(columns(framesOf('memfd'))[0], ['[unknown]', '/memfd:jit cache (deleted)', false])
    subset(read(fixture('memfd')).records[0]!, {
      kind: 'mmap',
      trace: '7141/7141: [0x7f833ff20000(0x1000) @ 0 00:01 1025 4132096767]: r-xp /memfd:jit cache (deleted)',
    })
  })

  it('may be a file that was deleted', () => {
    assert.deepEqual(columns(framesOf('deleted-file'))[0], ['[unknown]', '/srv/gone2 (deleted)', false])
  })

  it('may be a path with spaces and parentheses', () => {
    assert.deepEqual(columns(framesOf('file-with-spaces'))[0], ['outer', '/srv/my dir/odd (1)', false])
  })

  it('may be code that was generated into memory', () => {
    assert.deepEqual(columns(framesOf('generated-code'))[0], ['[unknown]', '/tmp/perf-7144.map', false])
  })
})

describe('perf script, system calls', () => {
  const returns = (name: string) => {
    const reader = new PerfScriptReader()
    reader.push(fixture(name))
    const values: [number, number][] = []
    while (reader.next()) values.push([reader.record.syscallNumber(), reader.record.syscallReturn()])
    reader.end()
    while (reader.next()) values.push([reader.record.syscallNumber(), reader.record.syscallReturn()])
    return values
  }

  it('are read from raw_syscalls by number, with errors negative as printed', () => {
    assert.deepEqual(returns('raw-syscalls'), [
      [59, 0],
      [12, NaN],
      [21, -2],
      [257, -2],
    ])
  })

  it('are read from their own events, with errors as two’s complements of 64 bits', () => {
    assert.deepEqual(returns('syscall-errors'), [
      [-1, -2],
      [-1, 3],
    ])
  })
})

describe('perf script, more columns', () => {
  it('may hold the mode of the CPU and the time of day in front of the time', () => {
    const { reader, records } = read(fixture('misc-and-time-of-day'))
    assert.deepEqual([...reader.problemCounts], [])
    const seen = records.map(({ comm, tid, cpu, time_ns, event }) => [comm, tid, cpu, time_ns, event])
    assert.deepEqual(seen, [
      ['odd', 4953, 1, '11203274775432', 'raw_syscalls:sys_exit'],
      ['odd', 4953, 1, '11203274802503', 'raw_syscalls:sys_enter'],
      ['o', 4953, 1, '11203275309819', 'sched:sched_switch'],
    ])
    const frames = records.map((record) => (record['frames'] as Frame[]).length)
    assert.deepEqual(frames, [1, 1, 10])
  })
})

describe('perf script, order', () => {
  it('is that of the text: a record that is older than the one before it keeps its time', () => {
    const { reader, records } = read(
      'x 1/1 [000] 5.000000300: 1 probe:x: a\n' +
        'x 1/1 [001] 4.999999900: PERF_RECORD_COMM: x:1/1\n' +
        'x 1/1 [000] 5.000000400: 1 probe:x: b\n',
    )
    assert.deepEqual(
      records.map((record) => record['time_ns']),
      ['5000000300', '4999999900', '5000000400'],
    )
    assert.equal(reader.problemCounts.size, 0)
  })
})
