import assert from 'node:assert/strict'
import { isSampledTracepoint } from '../../src/perf/index.js'
import { fixture, read, subset } from './support.js'

type Frame = Record<string, unknown>

/** The same program recorded and printed by the oldest and the newest perf that Debian 12 can run. */
for (const version of ['5.10', '6.12']) {
  describe(`text of perf ${version}`, () => {
    const framesOf = (record: Record<string, unknown>) => record['frames'] as Frame[]

    it('is read without a problem, with its header and every kind of record', () => {
      const { reader, records } = read(fixture(`perf-${version}`))
      assert.deepEqual([...reader.problemCounts], [])
      const counts = new Map<string, number>()
      for (const { event } of records) counts.set(event as string, (counts.get(event as string) ?? 0) + 1)
      assert.deepEqual(Object.fromEntries(counts), {
        PERF_RECORD_MMAP: 1,
        PERF_RECORD_COMM: 3,
        PERF_RECORD_MMAP2: 4,
        'raw_syscalls:sys_exit': 3,
        'raw_syscalls:sys_enter': 3,
        'syscalls:sys_exit_openat': 2,
        'sched:sched_switch': 3,
        PERF_RECORD_SWITCH: 6,
        'cpu-clock': 1,
        PERF_RECORD_EXIT: 1,
      })
      const { header } = reader
      assert.deepEqual([header.hostname, header.clockId, header.firstSampleSeconds !== undefined], ['host1', 1, true])
      assert.deepEqual(
        header.events.map(({ name, sampleFreq, samplePeriod, isTracepoint }) => [
          name,
          sampleFreq ?? samplePeriod,
          isTracepoint,
        ]),
        [
          ['cpu-clock', 499, false],
          ['sched:sched_switch', 1, true],
          ['sched:sched_waking', 1, true],
          ['raw_syscalls:sys_enter', 1, true],
          ['raw_syscalls:sys_exit', 1, true],
          ['syscalls:sys_exit_openat', 1, true],
        ],
      )
    })

    it('gives records made up at its start no time, and the others theirs', () => {
      const { records } = read(fixture(`perf-${version}`))
      const timeless = records.filter((record) => !('time_ns' in record)).map(({ event }) => event)
      assert.deepEqual(timeless, ['PERF_RECORD_MMAP', 'PERF_RECORD_COMM'])
    })

    it('gives a switch its stack, and a system call the place on its line', () => {
      const { records } = read(fixture(`perf-${version}`))
      const change = records.find(({ event }) => event === 'sched:sched_switch')!
      subset(framesOf(change)[0]!, { symbol: '__schedule', dso: '[kernel.kallsyms]', kernel: true })
      assert.ok(framesOf(change).length > 5)
      const exit = records.find(({ event }) => event === 'raw_syscalls:sys_exit')!
      subset(exit, { trace: 'NR 59 = 0' })
      subset(framesOf(exit)[0]!, { symbol: '__traceiter_sys_exit', offset: 0x31 })
    })

    it('is read as `perf script` prints it without any flag', () => {
      const { reader, records } = read(fixture(`defaults-${version}`))
      assert.deepEqual([...reader.problemCounts], [])
      assert.equal(records.length, 2)
      for (const record of records) {
        subset(record, { comm: 'my (w) 78 [0] a', cpu: 0, period: 10_101_010, event: 'cpu-clock' })
        subset(framesOf(record).at(-1)!, { symbol: '__libc_start_call_main', offset: 0x7a })
      }
    })

    it('gives inlined functions and source positions', () => {
      const { reader, records } = read(fixture(`inlined-srcline-${version}`))
      assert.deepEqual([...reader.problemCounts], [])
      const [inner, outer] = framesOf(records[0]!)
      subset(inner!, { symbol: 'inner', inlined: true, dso: '/srv/odd', source: 'odd.c:12' })
      subset(outer!, { symbol: 'outer', inlined: false, dso: '/srv/odd' })
      assert.match(outer!['source'] as string, /^odd\.c:\d+$/)
    })

    it('tells sampled tracepoints by its header where no periods are printed', () => {
      const { reader } = read(fixture(`sampled-tracepoint-no-period-${version}`))
      const sampled = reader.header.events.map(({ name }) => [name, isSampledTracepoint(reader.header, name)])
      assert.deepEqual(sampled, [
        ['cpu-clock', false],
        ['sched:sched_switch', true],
        ['sched:sched_waking', true],
      ])
    })
  })
}
