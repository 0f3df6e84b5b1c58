import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Ev } from '../../src/gotrace/index.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { runTimeline } from '../support/timeline.js'
import { analyzedRows, rowsOf } from '../measures/support.js'

const startSeconds = 1000
/** Small, so that a fraction of it is exact to the ns. */
const wallSeconds = 5000
const running = 2

type Told = [fromUs: number, toUs: number, name: string][]

/**
 * Times are µs. Goroutine 1 becomes runnable at `readyUs` and runs on thread 100 at `startUs`; that thread was asleep, is woken at `wokenUs` and
 * switched in at `inUs`; or it was preempted with no goroutine. Goroutine 2 on thread 101 stops the world as often as `stops` says, and ends the user task for which it and goroutine 1 work.
 */
interface Wait {
  readonly readyUs: number
  /** undefined: perf did not record it. */
  readonly wokenUs: number | undefined
  readonly prevState?: 'S' | 'R'
  readonly inUs: number
  readonly startUs: number
  readonly stops: readonly (readonly [beginUs: number, endUs: number])[]
  readonly taskEndUs?: number
  /** Wall time of time 0, from a whole second on. */
  readonly wallUs?: number
}

function streamsOf({ readyUs, wokenUs, prevState = 'S', inUs, startUs, stops, taskEndUs, wallUs = 0 }: Wait) {
  const startNs = startSeconds * 1e9
  const w = new GoTraceWriter(startNs, wallSeconds + wallUs / 1e6)
  const stack = w.stack('main.work')
  const events: [us: number, tid: number, type: number, ...args: number[]][] = [
    [0.001, 100, Ev.ProcStatus, 0, 1],
    [0.002, 101, Ev.ProcStatus, 1, 1],
    [0.003, 101, Ev.GoStatus, 2, 101, running],
    [0.004, 101, Ev.UserTaskBegin, 7, 0, w.string('request'), stack],
    [0.005, 101, Ev.GoCreate, 1, stack, stack],
    [0.006, 100, Ev.GoStart, 1, 1],
    [5, 100, Ev.GoBlock, w.string('chan receive'), stack],
    [readyUs, 101, Ev.GoUnblock, 1, 2, stack],
    [startUs, 100, Ev.GoStart, 1, 3],
    [startUs + 10, 100, Ev.GoStop, w.string('preempted'), stack],
    [startUs + 20, 101, Ev.GoStop, w.string('preempted'), stack],
    ...stops.flatMap(([beginUs, endUs]): [number, number, number, ...number[]][] => [
      [beginUs, 101, Ev.STWBegin, w.string('GC mark termination'), stack],
      [endUs, 101, Ev.STWEnd],
    ]),
  ]
  if (taskEndUs !== undefined) events.push([taskEndUs, 101, Ev.UserTaskEnd, 7, stack])
  for (const [us, tid, type, ...args] of events.sort((a, b) => a[0] - b[0])) w.event(tid, us * 1e3, type, ...args)
  const at = (us: number) => {
    const ns = startNs + us * 1e3
    return `${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}:`
  }
  const out = `prev_comm=svc prev_pid=100 prev_prio=120 prev_state=${prevState} ==> next_comm=hog next_pid=900 next_prio=120`
  const waking =
    wokenUs && `svc 99/101 [001] ${at(wokenUs)} 1 sched:sched_waking: comm=svc pid=100 prio=120 target_cpu=000`
  const perf = [
    '# clockid: monotonic (1)',
    `svc 99/100 [000] ${at(-1)} PERF_RECORD_SWITCH IN`,
    `svc 99/101 [001] ${at(-1)} PERF_RECORD_SWITCH IN`,
    `svc 99/100 [000] ${at(6)} 1 sched:sched_switch: ${out}`,
    ...(waking === undefined ? [] : [waking]),
    `svc 99/100 [000] ${at(inUs)} PERF_RECORD_SWITCH IN`,
    `svc 99/101 [001] ${at(startUs + 30)} 1 cpu-clock:`,
    '',
  ]
  return { gotrace: w.bytes(), perf: Buffer.from(perf.join('\n')) }
}

/** Pieces of goroutine 1, neighbours of one class joined. */
function piecesOf(wait: Wait, settleAtUs: readonly number[] = []): Told {
  const told: Told = []
  const { gotrace, perf } = streamsOf(wait)
  const add = ({ goid }: { goid: number }, fromNs: number, toNs: number, classId: number) => {
    const last = told.at(-1)
    const name = timeClasses[classId]!
    if (goid !== 1) return
    assert.ok(last === undefined || last[1] === fromNs / 1e3, 'no gap and no overlap')
    if (last?.[2] === name) last[1] = toNs / 1e3
    else told.push([fromNs / 1e3, toNs / 1e3, name])
  }
  runTimeline(
    gotrace,
    perf,
    { segment: add },
    settleAtUs.map((us) => us * 1e3),
  )
  return told.filter(([, , name]) => /^(sched_wait.*|stw|unknown)$/.test(name))
}

const hand: Wait = { readyUs: 100, wokenUs: 120, inUs: 300, startUs: 320, stops: [[140, 180]] }

describe('a wait for a P', () => {
  const expected: Told = [
    [100, 120, 'sched_wait'],
    [120, 140, 'sched_wait_kernel'],
    [140, 180, 'stw'],
    [180, 300, 'sched_wait_kernel'],
    [300, 320, 'sched_wait'],
    // It was preempted, and the trace ends 10 µs later.
    [330, 340, 'sched_wait'],
  ]

  it('has its kernel part, whatever ends inside it: a second, a stop-the-world', () => {
    assert.deepEqual(piecesOf(hand).slice(1), expected)
    assert.deepEqual(piecesOf(hand, [110, 130, 150, 200, 250, 310]).slice(1), expected)
  })

  it('is the kernel’s from its begin when its thread had been preempted before', () => {
    assert.deepEqual(piecesOf({ ...hand, wokenUs: undefined, prevState: 'R' }).slice(1, 4), [
      [100, 140, 'sched_wait_kernel'],
      [140, 180, 'stw'],
      [180, 300, 'sched_wait_kernel'],
    ])
  })

  it('is unknown until its thread came onto a CPU, when perf did not record who woke it', () => {
    assert.deepEqual(piecesOf({ ...hand, wokenUs: undefined }).slice(1, 5), [
      [100, 140, 'unknown'],
      [140, 180, 'stw'],
      [180, 300, 'unknown'],
      [300, 320, 'sched_wait'],
    ])
  })

  it('is told the same wherever lives are settled meanwhile', () => {
    const moments = fc.uniqueArray(fc.integer({ min: 10, max: 900 }), { minLength: 7, maxLength: 7 })
    const settles = fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 6 })
    fc.assert(
      fc.property(moments, settles, (at, settleAt) => {
        const [readyUs, a, b, c, d, f, startUs] = at.sort((x, y) => x - y) as [number, ...number[]]
        const stops: Wait['stops'] = [
          [b!, b! + 0.25],
          [c!, d!],
        ]
        const wait = { readyUs, wokenUs: a!, inUs: f!, startUs: startUs!, stops }
        const told = piecesOf(wait)
        assert.deepEqual(
          piecesOf(
            wait,
            settleAt.sort((x, y) => x - y),
          ),
          told,
        )
        const kernelUs = told
          .filter(([, , name]) => name === 'sched_wait_kernel')
          .reduce((sum, [x, y]) => sum + y - x, 0)
        assert.equal(kernelUs, f! - a! - (d! - c!) - 0.25)
      }),
      { numRuns: 100 },
    )
  })

  it('has the same sums in rows, wherever seconds end', () => {
    const sums = (wallUs: number) => {
      const byClass = new Map<string, number>()
      const seconds = new Set<string>()
      for (const { ts, ...row } of rowsOf(analyzedRows(streamsOf({ ...hand, wallUs })), 'time_classes')) {
        seconds.add(ts)
        const name = String(row['class'])
        byClass.set(name, (byClass.get(name) ?? 0) + Number(row['ns']))
      }
      return { byClass, seconds: seconds.size }
    }
    const { byClass } = sums(0)
    assert.equal(byClass.get('sched_wait_kernel'), 140e3)
    for (const us of [110, 130, 160, 200, 310]) {
      assert.deepEqual(sums(1e6 - us), { byClass, seconds: 2 }, `a second ends at ${us} µs`)
    }
  })

  it('counts as sched_wait for a task that ends before it, and as it was for everything else', () => {
    const rows = analyzedRows(streamsOf({ ...hand, taskEndUs: 200 }))
    const [task] = rowsOf(rows, 'tasks')
    // Goroutine 2 is on a CPU all the time, so it alone counts; together they worked for twice as long, save for what goroutine 1 did not exist.
    assert.equal(task!['duration_ns'], 200e3 - 4)
    assert.equal(task!['goroutine_ns'], 200e3 - 4 + (200e3 - 5))
    const ns = new Map(rowsOf(rows, 'time_classes').map((row) => [row['class'], row['ns']]))
    assert.equal(ns.get('sched_wait_kernel'), 140e3)
  })

  it('is the kernel’s in sched_latency also while the world was stopped, which is stw in time_classes', () => {
    const rows = analyzedRows(streamsOf(hand))
    const [latency] = rowsOf(rows, 'sched_latency')
    const ns = new Map(rowsOf(rows, 'time_classes').map((row) => [row['class'], row['ns']]))
    assert.deepEqual([latency!['runnable_kernel_ns'], ns.get('sched_wait_kernel')], [180e3, 140e3])
  })

  it('is told up to a second ago when it lasts longer, so that rows need not wait for it', () => {
    const long: Wait = { readyUs: 100, wokenUs: 200, inUs: 3e6, startUs: 3e6 + 50, stops: [] }
    const kernelUs = (settleAtUs: readonly number[]) =>
      piecesOf(long, settleAtUs)
        .filter(([, , name]) => name === 'sched_wait_kernel')
        .map(([fromUs, toUs]) => toUs - fromUs)
    assert.deepEqual(kernelUs([]), [1e6 - 50])
    assert.deepEqual(kernelUs([5e5, 1e6, 2e6, 2.9e6]), [1e6 - 50])
  })
})

describe('rows of a second', () => {
  it('are written when the next one has begun and nobody who waited for a P at its end still does', () => {
    const directory = 'test/captures/healthy'
    const streams = {
      gotrace: readFileSync(`${directory}/go.trace`),
      perf: gunzipSync(readFileSync(`${directory}/perf.script.gz`)),
    }
    let newestNs = 0
    let seconds = 0
    for (const { table, row } of analyzedRows(streams)) {
      if (table === 'regions') newestNs = Math.max(newestNs, Number(row.ts) + Number(row['duration_ns']))
      // The first one also waits for the first generation to be over.
      if (table !== 'time_classes' || row['class'] !== 'on_cpu' || seconds++ === 0) continue
      assert.ok(newestNs < Number(row.ts) + 1.5e9, `second ${row.ts}: a region that ended at ${newestNs} came before`)
    }
    assert.ok(seconds >= 3 && newestNs > 0)
  })
})
