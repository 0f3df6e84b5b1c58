import assert from 'node:assert/strict'
import { Ev } from '../../src/gotrace/index.js'
import { timeClasses } from '../../src/timeline/classes.js'
import type { NetpollDelay, StopTheWorld } from '../../src/timeline/model.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { handWorkedPerf, handWorkedTrace, startSeconds, wallSeconds } from '../support/handWorked.js'
import { runTimeline } from '../support/timeline.js'

describe('timeline, on a capture worked out by hand', () => {
  const pieces = new Map<number, [fromUs: number, toUs: number, name: string][]>()
  const stops: StopTheWorld[] = []
  const delays: NetpollDelay[] = []
  const waits: number[] = []

  before(() => {
    runTimeline(handWorkedTrace(), handWorkedPerf(), {
      segment(goroutine, fromNs, toNs, classId) {
        const list = pieces.get(goroutine.goid) ?? []
        pieces.set(goroutine.goid, list)
        const last = list.at(-1)
        const name = timeClasses[classId]!
        assert.equal(fromNs / 1e3, last?.[1] ?? 0, `goroutine ${goroutine.goid}: no gap and no overlap before ${name}`)
        if (last?.[2] === name) last[1] = toNs / 1e3
        else list.push([fromNs / 1e3, toNs / 1e3, name])
      },
      stopTheWorld: (stop) => stops.push({ ...stop }),
      netpollDelay: (delay) => delays.push({ ...delay }),
      switchedIn: (_thread, wakeNs, inNs) => waits.push(inNs - wakeNs),
    })
  })

  it('puts every nanosecond of a goroutine’s life into the one class it belongs to', () => {
    assert.deepEqual(pieces.get(1), [
      [0, 100, 'on_cpu'],
      [100, 150, 'cpu_stolen'],
      [150, 200, 'on_cpu'],
      [200, 230, 'fault_io'],
      [230, 250, 'on_cpu'],
      [250, 260, 'runtime_futex'],
      [260, 300, 'on_cpu'],
      [300, 320, 'syscall_cpu'],
      [320, 400, 'syscall_blocked'],
      [400, 410, 'syscall_cpu'],
      [410, 420, 'on_cpu'],
      [420, 450, 'gc_assist'],
      [450, 460, 'on_cpu'],
      [460, 560, 'net_wait'],
      [560, 570, 'sched_wait'],
      [570, 590, 'sched_wait_kernel'],
      [590, 600, 'sched_wait'],
      [600, 650, 'on_cpu'],
      [650, 660, 'sched_wait'],
      [660, 690, 'stw'],
      [690, 700, 'sched_wait'],
      [700, 720, 'on_cpu'],
      [720, 800, 'sleep'],
      // Its thread was not seen to be woken.
      [800, 803, 'unknown'],
      [803, 805, 'sched_wait'],
      [805, 810, 'on_cpu'],
      [810, 900, 'sync_wait'],
      [900, 940, 'unknown'],
      [940, 950, 'on_cpu'],
    ])
  })

  it('tells the past of a goroutine that is listed late from the history of its thread', () => {
    assert.deepEqual(pieces.get(2), [
      [0, 10, 'on_cpu'],
      [10, 30, 'cpu_stolen'],
      [30, 540, 'on_cpu'],
      [540, 640, 'sync_wait'],
      [640, 655, 'sched_wait'],
      [655, 665, 'on_cpu'],
      [665, 685, 'stw'],
      [685, 904, 'on_cpu'],
      [904, 950, 'unknown'],
      [950, 1000, 'on_cpu'],
    ])
  })

  it('counts a parked goroutine of the runtime as what it is, which makes every class occur', () => {
    const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
    const t100 = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
    t100(0, Ev.ProcStatus, 0, 1)
    t100(0, Ev.GoStatus, 1, 100, 2)
    t100(40, Ev.GoBlock, w.string('GC background sweeper wait'), 0)
    t100(50, Ev.ProcStop)
    const found: [number, number, string][] = []
    runTimeline(w.bytes(), handWorkedPerf(), {
      segment: (_goroutine, fromNs, toNs, classId) => found.push([fromNs / 1e3, toNs / 1e3, timeClasses[classId]!]),
    })
    assert.deepEqual(found, [
      [0, 40, 'on_cpu'],
      [40, 50, 'system_wait'],
    ])
    const names = new Set([...pieces.values(), found].flat().map(([, , name]) => name))
    assert.deepEqual([...names].sort(), [...timeClasses].sort())
  })

  it('measures a netpoll delay from epoll’s return over the unblock to the start', () => {
    assert.equal(delays.length, 1)
    const [{ ready, runNs, runTid }] = delays as [NetpollDelay]
    assert.deepEqual([ready.pollNs, ready.readyNs, runNs], [555e3, 560e3, 600e3])
    assert.deepEqual([ready.tid, runTid], [101, 100])
  })

  it('measures a stop-the-world and who was last to stop, with its kernel half', () => {
    assert.equal(stops.length, 1)
    const [stop] = stops as [StopTheWorld]
    assert.deepEqual([stop.reason, stop.isGc], ['GC mark termination', true])
    assert.deepEqual([stop.beginNs, stop.stoppedNs, stop.endNs], [660e3, 670e3, 690e3])
    assert.equal(stop.last?.tid, 100)
    assert.deepEqual(stop.last.kernel, { onNs: 10e3, preemptedNs: 0, asleepNs: 0, diskNs: 0, offNs: 0, unknownNs: 0 })
  })

  it('measures the kernel’s delay between waking a thread and running it', () => {
    assert.deepEqual(waits, [20e3])
  })
})
