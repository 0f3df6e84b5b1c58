import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PerfScriptReader, parseSchedSwitch, parseSchedWakeup, parseSyscallExit } from '../../src/perf/index.js'
import { fixture } from './support.js'

/** Names as the kernel keeps them: at most 15 bytes, anything in them but a newline. */
const comm = fc.oneof(
  fc.string({ maxLength: 15 }).map((text) => text.replaceAll('\n', ' ')),
  fc.constantFrom('A B', 'a=b', ' prev_pid=1', ' ==> next_comm=', ' pid=3 prio=1', '[x] 1/2 (y)'),
)
const bytes15 = (name: string) => Buffer.byteLength(name) <= 15
const id = fc.integer({ min: 0, max: 4_194_304 })
const state = fc.constantFrom('R', 'R+', 'S', 'D', 'D|W', 'X', 'I')

describe('tracepoint text', () => {
  it('reads sched_switch whatever the names hold', () => {
    fc.assert(
      fc.property(
        comm.filter(bytes15),
        comm.filter(bytes15),
        id,
        id,
        state,
        (prevComm, nextComm, prevTid, nextTid, prevState) => {
          const text = `prev_comm=${prevComm} prev_pid=${prevTid} prev_prio=120 prev_state=${prevState} ==> next_comm=${nextComm} next_pid=${nextTid} next_prio=-1`
          const fields = parseSchedSwitch(text)
          assert.ok(fields)
          const actual = [fields.prevComm, fields.prevTid, fields.prevState, fields.nextComm, fields.nextTid]
          assert.deepEqual(actual, [prevComm, prevTid, prevState, nextComm, nextTid])
        },
      ),
      { seed: 3 },
    )
  })

  it('reads wake-ups with and without success=', () => {
    fc.assert(
      fc.property(comm.filter(bytes15), id, fc.constantFrom('', ' success=1'), (name, tid, success) => {
        const fields = parseSchedWakeup(`comm=${name} pid=${tid} prio=120${success} target_cpu=003`)
        assert.ok(fields)
        assert.deepEqual([fields.comm, fields.tid, fields.targetCpu], [name, tid, 3])
      }),
      { seed: 4 },
    )
  })

  it('reads syscall returns of both forms, errors as negative numbers', () => {
    const cases: readonly (readonly [string, number | undefined])[] = [
      ['0x1', 1],
      ['0x0', 0],
      ['0xfffffffffffffffc', -4],
      ['0x7fdf5b42b5e0', 0x7fdf5b42b5e0],
      ['NR 262 = 0', 0],
      ['NR 0 = -11', -11],
      ['NR 9 = 140282789253120', 140282789253120],
      ['NR 262 (3, 7ffc)', undefined],
      ['0x', undefined],
      ['0xzz', undefined],
      ['', undefined],
    ]
    for (const [text, value] of cases) assert.equal(parseSyscallExit(text), value, text)
  })

  it('says undefined to text of another kind', () => {
    for (const text of [
      '',
      'comm=x',
      'prev_comm=a prev_pid=1',
      ' next_prio=1',
      ' target_cpu=1',
      'comm=x pid=2 prio=1 target_cpu=',
    ]) {
      assert.equal(parseSchedSwitch(text), undefined)
      assert.equal(parseSchedWakeup(text), undefined)
    }
  })

  it('reads the fields of records without making their text', () => {
    const reader = new PerfScriptReader()
    reader.push(fixture('header-and-stacks'))
    reader.push(fixture('mixed-call-graph'))
    reader.end()
    const switches: unknown[] = []
    const returns: unknown[] = []
    while (reader.next()) {
      const { record } = reader
      const fields = record.schedSwitch()
      if (fields !== undefined) switches.push([fields.prevTid, fields.prevState, fields.nextComm, fields.nextTid])
      const value = record.syscallReturn()
      if (!Number.isNaN(value)) returns.push([record.syscallNumber(), value])
      assert.equal(record.schedWakeup(), undefined)
    }
    assert.deepEqual(switches, [
      [5126, 'D', 'sh', 5128],
      [18806, 'R+', 'memfd:jit-cache', 2926],
    ])
    assert.deepEqual(returns, [
      [59, 0],
      [12, 94519617822720],
      [262, 0],
      [14, 0],
      [58, 0],
      [-1, 3],
      [-1, 3],
      [-1, -2],
    ])
  })
})
