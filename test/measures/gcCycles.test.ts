import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Ev, GoTraceReader } from '../../src/gotrace/index.js'
import type { OutRow } from '../../src/measures/measure.js'
import type { Row } from '../../src/measures/table.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { PerfWriter } from '../support/perfWriter.js'
import { analyzedRows, rowsOf } from './support.js'

const running = 2
const ms = (value: number) => Math.round(value * 1e6)
const framesOf = (rows: readonly OutRow[]) =>
  new Map(rowsOf(rows, 'stacks').map((row) => [row['stack_id'], row['frames']]))
const pick = (row: Row | undefined, ...names: string[]) => names.map((name) => row?.[name])

/** One cycle of 20 ms, ms: goroutine 1 assists from 13 to 16; goroutine 2 asks for the stops and is on a CPU all the time. */
function handWorkedCycle() {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  const t = (tid: number, at: number, type: number, ...args: number[]) => w.event(tid, ms(at), type, ...args)
  const stack = w.stack('runtime.mallocgc', 'main.copy', 'main.work')
  t(100, 0.001, Ev.ProcStatus, 0, 1)
  t(100, 0.002, Ev.GoStatus, 1, 100, running)
  t(101, 0.003, Ev.ProcStatus, 1, 1)
  t(101, 0.004, Ev.GoStatus, 2, 101, running)
  t(101, 1, Ev.HeapGoal, 4000)
  t(101, 2, Ev.HeapAlloc, 3900)
  t(101, 10, Ev.GCBegin, 7, stack)
  t(101, 10.1, Ev.STWBegin, w.string('GC sweep termination'), stack)
  t(100, 10.5, Ev.GoStop, w.string('preempted'), stack)
  t(100, 10.6, Ev.ProcStop)
  t(101, 10.7, Ev.STWEnd)
  t(100, 11, Ev.ProcStart, 0, 1)
  t(100, 11.1, Ev.GoStart, 1, 1)
  t(100, 13, Ev.GCMarkAssistBegin, stack)
  t(100, 16, Ev.GCMarkAssistEnd)
  t(101, 29, Ev.STWBegin, w.string('GC mark termination'), stack)
  t(100, 29.8, Ev.GoStop, w.string('preempted'), stack)
  t(100, 29.9, Ev.ProcStop)
  t(101, 29.95, Ev.HeapAlloc, 2500)
  t(101, 30, Ev.GCEnd, 8)
  t(101, 30.1, Ev.HeapGoal, 5000)
  t(101, 30.2, Ev.STWEnd)
  t(101, 40, Ev.GCBegin, 9, stack)
  t(101, 50, Ev.GoStop, w.string('preempted'), stack)
  const p = new PerfWriter(startSeconds)
  p.into(100, -1)
  p.into(101, -1)
  // In the second stop thread 100 is first preempted, then works in the kernel for its goroutine.
  p.out(100, 28.9, 'R')
  p.into(100, 29.3)
  for (const at of [29.4, 29.5, 29.6])
    p.sample(100, at, 'clear_page_erms ([kernel.kallsyms])', 'main.copy (/svc)', 'main.work (/svc)')
  p.sample(100, 29.7, 'main.work (/svc)')
  p.sample(101, 51)
  return analyzedRows({ gotrace: w.bytes(), perf: p.bytes() })
}

describe('gc_cycles and gc_pauses', () => {
  it('say of a cycle worked out by hand how long it was, who assisted and how large the heap was', () => {
    const [cycle, open, ...more] = rowsOf(handWorkedCycle(), 'gc_cycles')
    const { ts, source, service, host, ...values } = cycle!
    assert.deepEqual([ts, source, service, host], [`${wallSeconds}010000000`, 'h/svc/99/0', 'svc', 'h'])
    assert.deepEqual(values, {
      seq: 7,
      duration_ns: ms(20),
      stw_ns: ms(1.8),
      sweep_termination_ns: ms(0.6),
      mark_termination_ns: ms(1.2),
      assist_ns: ms(3),
      assist_functions: JSON.stringify([{ function: 'main.work', ns: ms(3) }]),
      heap_live: 3900,
      heap_goal: 4000,
      heap_live_end: 2500,
    })
    assert.deepEqual(pick(open, 'seq', 'duration_ns', 'mark_termination_ns', 'heap_goal'), [9, null, null, 5000])
    assert.deepEqual(more, [])
  })

  it('name who was last to stop, what its thread did in the kernel and where it was seen', () => {
    const rows = handWorkedCycle()
    const [first, second] = rowsOf(rows, 'gc_pauses')
    const frames = framesOf(rows)
    assert.deepEqual(pick(first, 'last_tid', 'last_goroutine', 'last_state', 'last_on_cpu_ns', 'last_samples'), [
      100,
      1,
      'on_cpu',
      ms(0.5),
      0,
    ])
    assert.deepEqual(
      pick(second, 'stopping_ns', 'last_tid', 'last_goroutine', 'last_function', 'last_state', 'last_samples'),
      [ms(0.9), 100, 1, 'main.work', 'preempted', 4],
    )
    assert.deepEqual(
      pick(
        second,
        'last_on_cpu_ns',
        'last_preempted_ns',
        'last_asleep_ns',
        'last_disk_ns',
        'last_off_ns',
        'last_unknown_ns',
      ),
      [ms(0.6), ms(0.3), 0, 0, 0, 0],
    )
    assert.equal(frames.get(second!['last_stack_id']), 'main.work;main.copy;runtime.mallocgc')
    assert.equal(frames.get(second!['last_sample_stack_id']), 'main.work;main.copy;clear_page_erms')
  })

  describe('of a goroutine whose P was taken from a system call, which was the last', () => {
    /** One stop from 10 to 20, ms: thread 100 is in a call from 5 on, and loses its P at `stopMs`. */
    function pauseOf(stopMs: number): { pause: Row | undefined; frames: ReturnType<typeof framesOf> } {
      const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
      const t = (tid: number, at: number, type: number, ...args: number[]) => w.event(tid, ms(at), type, ...args)
      t(100, 0.001, Ev.ProcStatus, 0, 1)
      t(100, 0.002, Ev.GoStatus, 1, 100, running)
      t(101, 0.003, Ev.ProcStatus, 1, 1)
      t(101, 0.004, Ev.GoStatus, 2, 101, running)
      t(100, 5, Ev.GoSyscallBegin, 1, w.stack('syscall.read', 'main.load', 'main.work'))
      t(101, 10, Ev.STWBegin, w.string('GC mark termination'), 0)
      t(101, stopMs, Ev.ProcSteal, 0, 2, 100)
      t(101, 20, Ev.STWEnd)
      t(101, 50, Ev.GoStop, w.string('preempted'), 0)
      const p = new PerfWriter(startSeconds)
      for (const tid of [100, 101]) p.into(tid, -1)
      for (const at of [11.5, 11.6]) p.sample(100, at, 'copy_page ([kernel.kallsyms])', 'main.load (/svc)')
      for (const at of [13, 14, 15]) p.sample(100, at, 'clear_page ([kernel.kallsyms])', 'main.load (/svc)')
      p.sample(101, 51)
      const rows = analyzedRows({ gotrace: w.bytes(), perf: p.bytes() })
      return { pause: rowsOf(rows, 'gc_pauses')[0], frames: framesOf(rows) }
    }

    it('tell where it made the call', () => {
      const { pause, frames } = pauseOf(12)
      assert.deepEqual(pick(pause, 'stopping_ns', 'last_tid', 'last_goroutine'), [ms(2), 100, 1])
      assert.equal(frames.get(pause!['last_stack_id']), 'main.work;main.load;syscall.read')
    })

    it('count no CPU sample behind its stop', () => {
      const { pause, frames } = pauseOf(12)
      assert.deepEqual(pick(pause, 'last_on_cpu_ns', 'last_samples'), [ms(2), 2])
      assert.equal(frames.get(pause!['last_sample_stack_id']), 'main.load;copy_page')
      assert.deepEqual(pick(pauseOf(11).pause, 'last_sample_stack_id', 'last_samples'), [null, 0])
    })
  })

  it('find the cycles of a real trace, with the pauses in them', () => {
    const trace = readFileSync('test/captures/stw-netpoll/go.trace')
    const reader = new GoTraceReader()
    reader.push(trace)
    reader.end()
    const cycles: { begin: number; end: number }[] = []
    const stopsNs: number[] = []
    let stopBegin = NaN
    while (reader.next()) {
      const { type, timeNs, name } = reader.event
      const isGc = type === Ev.STWBegin && name.includes('GC ')
      if (type === Ev.GCBegin) cycles.push({ begin: timeNs, end: NaN })
      else if (type === Ev.GCEnd) cycles.at(-1)!.end = timeNs
      else if (isGc) stopBegin = timeNs
      else if (type === Ev.STWEnd && !Number.isNaN(stopBegin)) {
        stopsNs.push(timeNs - stopBegin)
        stopBegin = NaN
      }
    }
    const perf = gunzipSync(readFileSync('test/captures/stw-netpoll/perf.script.gz'))
    const rows = rowsOf(analyzedRows({ gotrace: trace, perf }), 'gc_cycles')
    assert.ok(cycles.length >= 4)
    assert.deepEqual(
      rows.map((row) => row['duration_ns']),
      cycles.map(({ begin, end }) => end - begin),
    )
    const stwNs = rows.reduce((sum, row) => sum + Number(row['stw_ns']), 0)
    assert.equal(
      stwNs,
      stopsNs.reduce((sum, ns) => sum + ns, 0),
    )
    assert.ok(rows.every((row) => Number(row['heap_goal']) > Number(row['heap_live_end'])))
  })
})
