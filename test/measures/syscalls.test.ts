import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { PerfScriptReader } from '../../src/perf/index.js'
import type { Row } from '../../src/measures/table.js'
import { startSeconds } from '../support/handWorked.js'
import { PerfWriter } from '../support/perfWriter.js'
import { analyzedRows, rowsOf } from './support.js'

const us = 1e3

function syscallRows(fill: (p: PerfWriter) => void): Map<unknown, Row> {
  const p = new PerfWriter(startSeconds)
  fill(p)
  const rows = rowsOf(analyzedRows({ perf: p.bytes() }), 'syscalls')
  const byName = new Map(rows.map((row) => [row['name'], row]))
  assert.equal(byName.size, rows.length, 'one row a name')
  return byName
}

/** Columns of a row by name, in the order asked for. */
const pick = (row: Row | undefined, ...names: string[]) => names.map((name) => row?.[name])

describe('syscalls', () => {
  it('splits the time of the calls of a second worked out by hand', () => {
    const rows = syscallRows((p) => {
      p.into(7, 0)
      p.enter(7, 1, 'read', 'fd: 0x00000003, buf: 0x7f, count: 0x10')
      p.out(7, 1.1, 'S')
      p.into(7, 3)
      p.exit(7, 3.4, 'read', 16)
      p.enter(7, 4, 'read', 'fd: 0x00000004, buf: 0x7f, count: 0x10')
      p.exit(7, 4.1, 'read', -11)
      p.enter(7, 5, 'write', 'fd: 0x00000004, buf: 0x7f, count: 0x10')
      p.out(7, 5.2, 'R+')
      p.into(7, 5.7)
      p.exit(7, 6, 'write', -32)
    })
    assert.deepEqual(
      pick(rows.get('read'), 'count', 'errors', 'errnos', 'total_ns', 'cpu_ns', 'blocked_ns', 'unknown_ns', 'unpaired'),
      [2, 1, '{"EAGAIN":1}', 2500 * us, 600 * us, 1900 * us, 0, 0],
    )
    assert.deepEqual(pick(rows.get('read'), 'duration_p50_ns', 'duration_max_ns', 'top_fds'), [
      100 * us,
      2400 * us,
      JSON.stringify([
        { fd: 3, count: 1, ns: 2400 * us },
        { fd: 4, count: 1, ns: 100 * us },
      ]),
    ])
    assert.deepEqual(pick(rows.get('write'), 'errnos', 'total_ns', 'cpu_ns', 'blocked_ns'), [
      '{"EPIPE":1}',
      1000 * us,
      500 * us,
      500 * us,
    ])
  })

  it('counts a call whose other half is missing, and takes no other half for it', () => {
    const rows = syscallRows((p) => {
      p.exit(7, 1, 'read', 1)
      p.enter(7, 2, 'read', 'fd: 0x00000003')
      p.enter(7, 3, 'write', 'fd: 0x00000003')
      p.exit(7, 4, 'futex', 0)
      p.exit(7, 5, 'write', 0)
    })
    assert.deepEqual(
      ['read', 'write', 'futex'].map((name) => pick(rows.get(name), 'count', 'unpaired')),
      [
        [0, 2],
        [0, 1],
        [0, 1],
      ],
    )
  })

  it('pairs nothing over a place where records were lost', () => {
    const rows = syscallRows((p) => {
      p.enter(7, 2, 'read', 'fd: 0x00000003')
      p.add(7, 3, 'PERF_RECORD_LOST lost 2')
      p.exit(7, 4, 'read', 0)
    })
    assert.deepEqual(pick(rows.get('read'), 'count', 'unpaired', 'total_ns'), [0, 1, 0])
  })

  it('calls the time of a missed return to the CPU unknown', () => {
    const rows = syscallRows((p) => {
      p.into(7, 0)
      p.enter(7, 1, 'read', 'fd: 0x00000003')
      p.out(7, 1.5, 'S')
      p.exit(7, 3, 'read', 0)
    })
    assert.deepEqual(pick(rows.get('read'), 'total_ns', 'cpu_ns', 'blocked_ns', 'unknown_ns'), [
      2000 * us,
      500 * us,
      0,
      1500 * us,
    ])
  })

  it('names the calls of raw_syscalls by number and machine, and does not count them twice', () => {
    const p = new PerfWriter(startSeconds)
    p.add(7, 1, '1 raw_syscalls:sys_enter: NR 0 (9, 7ffc2d11dd20, 10, 0, 8, 1)')
    p.enter(7, 1.001, 'read', 'fd: 0x00000009')
    p.add(7, 2, '1 raw_syscalls:sys_exit: NR 0 = -104')
    p.exit(7, 2.001, 'read', -104)
    p.add(7, 3, '1 raw_syscalls:sys_enter: NR 9999 (0, 0, 0, 0, 0, 0)')
    p.add(7, 4, '1 raw_syscalls:sys_exit: NR 9999 = -38')
    const events = [
      'raw_syscalls:sys_enter',
      'raw_syscalls:sys_exit',
      'syscalls:sys_enter_read',
      'syscalls:sys_exit_read',
    ]
    const header = events.map(
      (name) => `# event : name = ${name}, , id = { 1 }, type = 2, size = 128, { sample_period, sample_freq } = 1`,
    )
    const perf = Buffer.concat([Buffer.from([...header, ''].join('\n')), p.bytes()])
    const rows = rowsOf(analyzedRows({ perf }), 'syscalls')
    assert.deepEqual(
      rows.map((row) => pick(row, 'name', 'count', 'errnos', 'total_ns', 'top_fds')),
      [
        ['nr_9999', 1, '{"ENOSYS":1}', 1e6, null],
        ['read', 1, '{"ECONNRESET":1}', 1e6, '[{"fd":9,"count":1,"ns":1000000}]'],
      ],
    )
  })

  it('takes an address for no error, and the first return of a new thread for no half', () => {
    const rows = syscallRows((p) => {
      p.enter(7, 1, 'mmap', 'addr: 0x0')
      p.add(7, 2, '1 syscalls:sys_exit_mmap: 0x7f94471e6000')
      p.exit(8, 3, 'clone', 0)
      p.enter(7, 4, 'exit_group', 'error_code: 0x0')
    })
    assert.deepEqual([...rows.keys()], ['mmap'])
    assert.equal(rows.get('mmap')?.['errors'], 0)
  })

  it('counts every call of a real capture, and each ns of it once', () => {
    const text = gunzipSync(readFileSync('test/captures/stw-netpoll/perf.script.gz'))
    const reader = new PerfScriptReader()
    reader.push(text)
    reader.end()
    const exits = new Map<string, number>()
    while (reader.next()) {
      const name = reader.record.eventId < 0 ? '' : reader.eventName(reader.record.eventId)
      const call = /^syscalls:sys_exit_(.*)$/.exec(name)?.[1]
      if (call !== undefined) exits.set(call, (exits.get(call) ?? 0) + 1)
    }
    const counted = new Map<string, number>()
    let unpaired = 0
    for (const row of rowsOf(analyzedRows({ perf: text }), 'syscalls')) {
      counted.set(String(row['name']), (counted.get(String(row['name'])) ?? 0) + Number(row['count']))
      unpaired += Number(row['unpaired'])
      assert.equal(Number(row['cpu_ns']) + Number(row['blocked_ns']) + Number(row['unknown_ns']), row['total_ns'])
    }
    const missing = [...exits].reduce((sum, [name, times]) => sum + times - counted.get(name)!, 0)
    assert.ok(missing >= 0 && missing <= unpaired && unpaired < 10, `${missing} missing, ${unpaired} unpaired`)
  })
})
