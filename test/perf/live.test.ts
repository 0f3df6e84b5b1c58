import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerfKind, perfScriptArgs, PerfScriptReader } from '../../src/perf/index.js'
import { requirePerf } from '../support/requirements.js'
import { read } from './support.js'

/** What `grep -c` would count. */
function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}

describe('real perf', function () {
  let folder = ''
  let data = ''
  let bytes = Buffer.alloc(0)

  before(function () {
    requirePerf(this)
    folder = mkdtempSync(join(tmpdir(), 'dualtrace-perf-'))
    data = join(folder, 'perf.data')
    const events = [
      'cpu-clock/freq=499,call-graph=fp/',
      'sched:sched_switch/call-graph=fp/',
      'sched:sched_waking',
      'syscalls:sys_exit_read',
    ]
    const program = 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); read x < /proc/self/stat; sleep 0.001; done'
    const flags = ['-k', 'CLOCK_MONOTONIC', '--sample-cpu', '--switch-events', '-m', '4M']
    const recorded = spawnSync('perf', [
      'record',
      '-q',
      '-o',
      data,
      ...flags,
      ...events.flatMap((e) => ['-e', e]),
      '--',
      'sh',
      '-c',
      program,
    ])
    assert.equal(recorded.status, 0, recorded.stderr.toString())
    const printed = spawnSync('perf', perfScriptArgs(data), { maxBuffer: 1 << 28 })
    assert.equal(printed.status, 0, printed.stderr.toString())
    bytes = printed.stdout
  })

  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true })
  })

  it('is read without a problem, and every event is counted as grep counts it', () => {
    const reader = new PerfScriptReader()
    for (let at = 0; at < bytes.length; at += 5000) reader.push(bytes.subarray(at, at + 5000))
    reader.end()
    const counts = new Map<string, number>()
    while (reader.next()) {
      const { record } = reader
      const name = record.kind === PerfKind.Sample ? reader.eventName(record.eventId) : record.printedName
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    const text = bytes.toString('latin1')
    assert.deepEqual([...reader.problemCounts], [])
    assert.equal(reader.consumedBytes, bytes.length)
    assert.equal(reader.header.clockId, 1)
    assert.ok(reader.header.reference)
    assert.ok(counts.get('sched:sched_switch')! >= 60)
    for (const name of ['sched:sched_switch', 'sched:sched_waking', 'syscalls:sys_exit_read', 'cpu-clock']) {
      const pattern = new RegExp(`^[^\\t#].*: +\\d+ +${name}(?:/[^ ]*)?: `, 'gm')
      assert.equal(counts.get(name) ?? 0, count(text, pattern), name)
    }
    for (const name of ['PERF_RECORD_SWITCH', 'PERF_RECORD_FORK', 'PERF_RECORD_EXIT', 'PERF_RECORD_COMM']) {
      assert.equal(counts.get(name) ?? 0, count(text, new RegExp(`: ${name}\\b`, 'g')), name)
    }
  })

  it('pairs every sched_switch of a thread with the SWITCH OUT that follows it', () => {
    const reader = new PerfScriptReader()
    reader.push(bytes)
    reader.end()
    const open = new Map<number, boolean>()
    let paired = 0
    let unpaired = 0
    while (reader.next()) {
      const { record } = reader
      const fields = record.schedSwitch()
      if (fields !== undefined) {
        assert.equal(fields.prevTid, record.tid)
        open.set(record.tid, fields.prevState.startsWith('R'))
      } else if (record.kind === PerfKind.SwitchOut) {
        if (open.get(record.tid) === record.preempt) paired++
        else unpaired++
        open.delete(record.tid)
      }
    }
    // A thread's first switch-out may lie before its events were on.
    assert.ok(paired >= 60 && unpaired <= paired / 20, `${paired} paired, ${unpaired} not`)
  })

  for (const fields of [
    'comm,tid,time,event,trace',
    'comm,tid,cpu,time,event,trace,ip,sym,dso',
    'comm,pid,time,period,event,ip,sym',
    'tid,time,event,ip,sym,symoff',
    'comm,pid,tid,cpu,misc,time,event,ip,sym,trace',
    'comm,tid,time,period,ip,sym,dso',
  ]) {
    it(`says the same in the columns ${fields}, in ns and in µs`, () => {
      const columns = fields.split(',')
      for (const precision of [['--ns'], []]) {
        const args = ['script', '--no-inline', ...precision, '-F', fields, '-i', data]
        const { stdout, status, stderr } = spawnSync('perf', args, { maxBuffer: 1 << 28 })
        assert.equal(status, 0, stderr.toString())
        const { reader, records } = read(stdout)
        assert.deepEqual([...reader.problemCounts], [])
        const unitNs = precision.length > 0 ? 1n : 1000n
        assert.deepEqual(
          records.map((record) => shown(record, columns, unitNs)),
          read(bytes)
            .records.filter(({ kind }) => kind === 'sample')
            .map((record) => shown(record, columns, unitNs)),
        )
      }
    })
  }
})

/** What text with these columns can say of a record. */
function shown(record: Record<string, unknown>, columns: readonly string[], unitNs: bigint): Record<string, unknown> {
  const has = (column: string) => columns.includes(column)
  return {
    timeNs: (BigInt(record['time_ns'] as string) / unitNs) * unitNs,
    tid: record['tid'],
    ...(has('comm') && { comm: record['comm'] }),
    ...(has('cpu') && { cpu: record['cpu'] }),
    ...(has('period') && { period: record['period'] }),
    ...(has('event') && { event: record['event'] }),
    ...(has('trace') && { trace: record['trace'] }),
    ...(has('sym') && { symbols: (record['frames'] as Record<string, unknown>[]).map(({ symbol }) => symbol) }),
  }
}
