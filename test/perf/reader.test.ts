import assert from 'node:assert/strict'
import { isSampledTracepoint, PerfScriptReader } from '../../src/perf/index.js'
import { fixture, read, subset } from './support.js'

/** Selected fields of the only, or the n-th, record of a fixture. */
function recordOf(name: string, index = 0): Record<string, unknown> {
  return read(fixture(name)).records[index]!
}

function problemsOf(name: string): [string, number][] {
  return [...read(fixture(name)).reader.problemCounts]
}

describe('perf script heads', () => {
  it('keeps a comm that contains digits, spaces, parentheses and brackets', () => {
    subset(recordOf('comm-with-brackets'), {
      comm: 'my (w) 78 [0] a',
      pid: 8850,
      tid: 8850,
      cpu: 0,
      time_ns: '1411827480288',
    })
  })

  it('takes the last head with a name of at most 15 bytes when names and trace text imitate one', () => {
    subset(recordOf('comm-imitates-head'), {
      comm: '1 2 0.000001: a',
      pid: 4711,
      tid: 4712,
      cpu: 3,
      time_ns: '1104524901188',
      trace: 'comm=x 1/1 9.000000: pid=2 prio=120 target_cpu=001',
    })
  })

  it('reads a comm of one letter', () => {
    subset(recordOf('one-letter-comm'), { comm: 'a', tid: 7632 })
  })

  it('reads microseconds, and a tid without a pid', () => {
    const record = recordOf('microseconds-tid-only')
    subset(record, { tid: 8850, time_ns: '1411827480000', period: 2004008 })
    assert.equal('pid' in record, false)
  })

  it('reads records that name no event', () => {
    subset(recordOf('no-event'), { event: '', time_ns: '1411827480288', period: 1 })
    assert.deepEqual(problemsOf('no-event'), [])
  })

  it('strips terms and modifiers from event names, except terms that are the name', () => {
    const events = read(fixture('pmu-events')).records.map(({ event }) => event)
    assert.deepEqual(events, ['cpu-clock', 'cpu/event=0x3c,umask=0x0/', 'cycles', 'cpu-clock', 'probe:foo'])
  })

  it('decodes invalid UTF-8 with replacement characters', () => {
    const text = Buffer.from('bad\xffname 1/1 [000] 1.000000001: 1 probe:x: a\xfeb\n', 'latin1')
    subset(read(text).records[0]!, { comm: 'bad\ufffdname', trace: 'a\ufffdb' })
  })

  it('reads negative ids', () => {
    subset(read('guest -1/-1 [000] 1.000000001: 1 probe:x: a\n').records[0]!, { comm: 'guest', tid: -1 })
  })
})

describe('perf script frames', () => {
  it('reads every form of a frame', () => {
    const frames = recordOf('frames')['frames'] as Record<string, unknown>[]
    const columns = frames.map(({ symbol, offset, dso, ip, kernel }) => [symbol, offset, dso, ip, kernel])
    assert.deepEqual(columns, [
      ['operator()(int) const', 0x1c, '/usr/lib/a (b) c.so', '11a1', false],
      ['foo<(anonymous namespace)::bar, 3>(char*) [clone .cold]', 2, '/memfd:x (deleted)', '11a2', false],
      ['[unknown]', undefined, '/usr/lib/empty-symbol.so', '11a3', false],
      ['nf_hook', 0x10, '[nf_tables]', 'ffffffffc0a01234', true],
      ['xfs_read', undefined, '/lib/modules/6.1.0/xfs.ko.xz', 'ffffffffc0a01235', true],
      ['do_idle', 1, '/usr/lib/debug/boot/vmlinux-6.1.0', 'ffffffff81000010', true],
      ['__vdso_gettimeofday', 5, '[vdso]', '7ffd0001', false],
      ['vgettimeofday', 0, '[vsyscall]', 'ffffffffff600000', false],
      ['Interpreter', undefined, '[JIT] tid 78', '7f000001', false],
      ['bpf_prog_6deef7357e7b4530_sd_devices', 0, 'bpf_prog_6deef7357e7b4530_sd_devices', 'ffffffffc0001000', true],
      ['net/http.(*conn).serve', 0x5e4, '/srv/app', '4a5b60', false],
      ['[unknown]', undefined, '[unknown]', '7f3', false],
      ['[unknown]', undefined, '', 'ffffffff81417591', true],
      ['THIS_IS_A_WEIRD_LINE', undefined, '', '', false],
      ['add', undefined, '', '', false],
    ])
  })

  it('gives inlined frames the file of their caller', () => {
    const [inner, outer] = recordOf('inlined')['frames'] as Record<string, unknown>[]
    subset(inner!, { symbol: 'inner', inlined: true, dso: '/usr/local/bin/inl' })
    subset(outer!, { symbol: 'outer', inlined: false, dso: '/usr/local/bin/inl' })
  })

  it('attaches source positions to the frame above, with and without a call chain', () => {
    const sources = (name: string) =>
      (recordOf(name)['frames'] as Record<string, unknown>[]).map((f) => [f['symbol'], f['source'], f['inlined']])
    assert.deepEqual(sources('inlined-srcline').slice(0, 2), [
      ['inner', 'inl.c:5', true],
      ['outer', 'inl.c:6', false],
    ])
    assert.deepEqual(sources('single-line-srcline'), [['outer', 'inl.c:5', false]])
  })

  it('takes the frame behind the trace text of a sample without a call chain', () => {
    const { records } = read(fixture('no-call-chain'))
    const bySymbol = records
      .filter(({ kind }) => kind === 'sample')
      .map((r) => [r['trace'], (r['stack'] as { symbol: string }[])[0]?.symbol])
    assert.deepEqual(bySymbol, [
      ['comm=perf pid=8972 runtime=66209 [ns]', 'update_se'],
      ['comm=perf pid=8972 runtime=9334 [ns]', 'update_se'],
      ['NR 16 (f, 2400, 0, 7fdf5b42b5e0, 1, 0)', 'syscall_trace_enter'],
      ['NR 203 (0, 200, 5597e0f98a20, 7fdf5b42b5e0, 1, 0)', 'syscall_trace_enter'],
      [
        'prev_comm=perf prev_pid=8972 prev_prio=120 prev_state=D ==> next_comm=migration/0 next_pid=18 next_prio=0',
        '__schedule',
      ],
      [
        'prev_comm=migration/0 prev_pid=18 prev_prio=0 prev_state=S ==> next_comm=kdamond.0 next_pid=77 next_prio=120',
        '__schedule',
      ],
      ['', 'runtime.newobject'],
    ])
    assert.equal(read(fixture('single-line')).records.length, 3)
  })

  it('reads text in which only some events have call chains', () => {
    const { reader, records } = read(fixture('mixed-call-graph'))
    const sizes = records.map((r) => [r['event'], (r['frames'] as unknown[]).length])
    assert.deepEqual(sizes, [
      ['syscalls:sys_exit_openat', 1],
      ['syscalls:sys_exit_openat', 1],
      ['sched:sched_switch', 10],
      ['PERF_RECORD_SWITCH', 0],
      ['PERF_RECORD_SWITCH', 0],
      ['syscalls:sys_exit_openat', 1],
    ])
    assert.equal(reader.problemCounts.size, 0)
  })

  it('gives equal stacks one id', () => {
    const reader = new PerfScriptReader()
    const text = fixture('one-letter-comm').toString()
    reader.push(Buffer.from(text + text.replace('outer', 'other') + text))
    const ids: number[] = []
    while (reader.next()) ids.push(reader.record.stackId)
    assert.equal(ids[0], ids[2])
    assert.notEqual(ids[0], ids[1])
  })

  it('starts its tables afresh at a record boundary when they are full', () => {
    const full = read(fixture('header-and-stacks'))
    const small = read(fixture('header-and-stacks'), [], { internLimit: 8 })
    assert.ok(small.reader.epoch > 0)
    assert.deepEqual(small.records, full.records)
  })
})

describe('perf script side-band records', () => {
  it('reads switches, with the peer of CPU-wide ones', () => {
    const { records } = read(fixture('switch-cpu-wide'))
    subset(records[0]!, { kind: 'switch_out', preempt: true, peer_pid: 5959, peer_tid: 5996 })
    subset(records[1]!, { kind: 'switch_in', tid: 5996, peer_tid: 8972 })
    subset(records[2]!, { kind: 'switch_out', preempt: false, peer_tid: 5998 })
  })

  it('reads forks, exits, names, lost samples, and skips the lines below a namespace record', () => {
    const { records, reader } = read(fixture('sideband'))
    const kinds = records.map((r) => [r['kind'], r['child_tid'], r['lost'], r['preempt']])
    assert.deepEqual(kinds, [
      ['other', undefined, undefined, undefined],
      ['fork', 22, undefined, undefined],
      ['exit', 22, undefined, undefined],
      ['comm', 22, undefined, undefined],
      ['lost_samples', undefined, 3, undefined],
      ['switch_out', undefined, undefined, true],
      ['switch_in', undefined, undefined, undefined],
    ])
    assert.equal(reader.problemCounts.size, 0)
  })

  it('counts what perf lost', () => {
    const lost = read(fixture('lost')).records.map((record) => record['lost'])
    assert.deepEqual(lost, [3, undefined, 1, undefined])
  })

  it('knows that synthesised records have no time', () => {
    const { records, reader } = read(fixture('no-call-chain'))
    assert.equal('time_ns' in records[0]!, false)
    assert.equal(reader.baseNs, 1_414_000_000_000n)
    assert.equal(reader.problemCounts.size, 0)
  })

  it('knows them also of threads with names like executor', () => {
    const line = 'executor-Fetch     0/0     [000]     0.000000000: PERF_RECORD_COMM: executor-Fetch:19884/20149'
    const { reader } = read(Buffer.from(`${line}\nsvc 1/1 [000] 5.000000000: PERF_RECORD_SWITCH IN\n`))
    assert.equal(reader.problemCounts.size, 0)
    assert.equal(reader.baseNs, 5_000_000_000n)
  })
})

describe('perf script headers', () => {
  it('reads the clock, the moment on both clocks and the events', () => {
    const { reader, records } = read(fixture('header-and-stacks'))
    const { header } = reader
    assert.equal(header.present, true)
    assert.equal(header.hostname, 'host1')
    assert.equal(header.osRelease, '6.18.44')
    assert.equal(header.clockId, 1)
    assert.deepEqual(header.reference, { wallNs: 1_795_449_005_490_814_000n, clockNs: 1_104_473_244_487n })
    assert.match(header.cmdline ?? '', /^\/usr\/bin\/perf record /)
    assert.deepEqual(header.events[0], {
      name: 'cpu-clock',
      samplePeriod: undefined,
      sampleFreq: 499,
      isTracepoint: false,
      isSampled: false,
    })
    assert.deepEqual(header.events[1], {
      name: 'sched:sched_switch',
      samplePeriod: 1,
      sampleFreq: undefined,
      isTracepoint: true,
      isSampled: false,
    })
    assert.equal(isSampledTracepoint(header, 'sched:sched_switch'), false)
    assert.equal(header.hasSwitchEvents, true)
    assert.equal(records.length, 13)
  })

  it('tells a tracepoint that was sampled, by its header and by its records', () => {
    const { reader } = read(fixture('sampled-tracepoint'))
    assert.equal(isSampledTracepoint(reader.header, 'sched:sched_switch'), true)
    assert.deepEqual([...reader.problemCounts], [['sampled_tracepoint', 1]])
  })
})

describe('perf script problems', () => {
  it('counts lines it cannot read, with their place, and reads on', () => {
    const { reader, records } = read(fixture('unreadable-lines'))
    assert.equal(records.length, 2)
    const places = reader.problems.map(({ name, line, offsetBytes }) => [name, line, offsetBytes])
    assert.deepEqual(places, [
      ['orphan_frame', 1, 0],
      ['unreadable_line', 2, 38],
      ['unreadable_line', 5, 142],
    ])
  })

  for (const name of ['reltime', 'deltatime', 'no-times'] as const) {
    it(`delivers records without a time from ${name} text and says which flag to use`, () => {
      const { reader, records } = read(fixture(name))
      assert.ok(records.length > 0)
      assert.ok(records.every((record) => !('time_ns' in record)))
      assert.match(reader.problems[0]!.detail, /perf script --ns|--reltime/)
      assert.ok((records.at(-1)!['frames'] as unknown[]).length >= 2)
    })
  }

  it('skips a line over 1 MiB, however it is cut', () => {
    const good = 'x 1/1 [000] 1.000000001: 1 probe:x: a\n'
    const text = Buffer.from(good + 'y'.repeat(1_500_000) + '\n' + good)
    for (const cuts of [[], [700_000], [700_000, 1_400_000, 1_500_038, 1_500_039]]) {
      const { reader, records } = read(text, cuts)
      assert.equal(records.length, 2)
      const places = reader.problems.map(({ name, line, offsetBytes }) => [name, line, offsetBytes])
      assert.deepEqual(places, [['line_too_long', 2, good.length]])
    }
    const unfinished = read(text.subarray(0, 1_400_000), [700_000, 1_200_000])
    assert.deepEqual([...unfinished.reader.problemCounts], [['line_too_long', 1]])
  })

  it('throws one sentence at the first problem when strict', () => {
    assert.throws(
      () => read(fixture('unreadable-lines'), [], { strict: true }),
      /^UserError: perf text, line 1 \(byte 0\): a stack frame/,
    )
  })

  it('reads nothing from nothing', () => {
    const { reader, records } = read('')
    assert.deepEqual([records.length, reader.consumedBytes, reader.problemCounts.size], [0, 0, 0])
  })
})
