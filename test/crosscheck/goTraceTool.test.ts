import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { GoState } from '../../src/gotrace/index.js'
import { type TimeClass, timeClasses } from '../../src/timeline/classes.js'
import type { Goroutine, TimelineListener } from '../../src/timeline/model.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { requireGo } from '../support/requirements.js'
import { runTimeline } from '../support/timeline.js'
import { nsOf, type ShownGoroutine, shownGoroutines } from './goTraceServer.js'
import { comparedTraces } from './comparedTraces.js'

/** Time by what both can tell: running, runnable, in a system call, and waiting by the class of the wait, or since before the trace. */
type Times = Record<string, number>

/**
 * What their page says, in our terms. Durations are printed in full, so nothing is rounded. By definition three things differ, as
 * src/internal/trace/summary.go of Go has them:
 *
 * A system call is "Syscall execution time" until its P is taken away, and "Block time (syscall)" from then on. Ours are divided by what its thread
 * does, so only their sum is the same.
 *
 * Of a call without an end all is "Syscall execution time", and what of it was without a P is "Sched wait time" as well. So columns add up to more than
 * the total, by that.
 *
 * A wait that the trace calls "forever" (`select {}`) is the end of their goroutine; ours lives on in it, see `compare`.
 */
function theirTimes({ columnsNs, totalNs }: ShownGoroutine): Times {
  const times: Times = {}
  for (const [column, ns] of columnsNs) add(times, kindOfColumn(column), ns)
  const countedTwiceNs = [...columnsNs.values()].reduce((sum, ns) => sum + ns, -totalNs)
  assert.ok(countedTwiceNs === 0 || (countedTwiceNs > 0 && countedTwiceNs <= columnsNs.get(callsColumn)!))
  add(times, 'runnable', -countedTwiceNs)
  return times
}

const callsColumn = 'Syscall execution time'

/** Columns of waits with their only class: the reasons of the trace. */
const classOfWait: Readonly<Record<string, TimeClass>> = {
  network: 'net_wait',
  select: 'sync_wait',
  sync: 'sync_wait',
  'sync.(*Cond).Wait': 'sync_wait',
  'chan send': 'sync_wait',
  'chan receive': 'sync_wait',
  sleep: 'sleep',
  preempted: 'gc_assist',
  'wait until GC ends': 'gc_assist',
  'GC mark assist wait for work': 'gc_assist',
  'GC background sweeper wait': 'system_wait',
  'system goroutine wait': 'system_wait',
}

function kindOfColumn(column: string): string {
  switch (column) {
    case 'Execution time':
      return 'running'
    case 'Sched wait time':
      return 'runnable'
    case callsColumn:
    case 'Block time (syscall)':
      return 'syscall'
    // It has begun before the trace, which names no reason then.
    case 'Block time ()':
      return 'waiting since before'
    // What they cannot explain: never anything.
    case 'Unknown time':
      return 'unknown'
    default: {
      const reason = /^Block time \((.*)\)$/.exec(column)?.[1]
      const known = reason === undefined ? undefined : classOfWait[reason]
      assert.ok(known, `"${column}" is not known here`)
      return known
    }
  }
}

/** Which of our classes a kind of time may be; a wait since before the trace is what its stack tells. */
const classesOfKind: Readonly<Record<string, readonly TimeClass[]>> = {
  running: ['on_cpu', 'cpu_stolen', 'fault_io', 'runtime_futex', 'gc_assist', 'stw', 'unknown'],
  runnable: ['sched_wait', 'sched_wait_kernel', 'stw', 'unknown'],
  syscall: ['syscall_cpu', 'syscall_blocked', 'unknown'],
  'waiting since before': ['net_wait', 'sync_wait', 'sleep', 'gc_assist', 'system_wait', 'unknown'],
}

interface Ours {
  readonly goid: number
  readonly name: string
  readonly times: Times
  /** The wait it was in at last, since when; NaN = it was in none. */
  readonly lastWaitNs: number
}

function ours(trace: Uint8Array, perfText = new Uint8Array()): Map<number, Ours> {
  const lives = new Map<number, { times: Times; goroutine: Goroutine }>()
  let startNs = Infinity
  const listener: TimelineListener = {
    segment(goroutine, fromNs, toNs, classId) {
      startNs = Math.min(startNs, fromNs)
      let life = lives.get(goroutine.goid)
      if (life === undefined) lives.set(goroutine.goid, (life = { times: {}, goroutine }))
      const kind = kindOf(goroutine, startNs)
      add(life.times, kind, toNs - fromNs)
      const timeClass = timeClasses[classId]!
      assert.ok((classesOfKind[kind] ?? [kind]).includes(timeClass), `${goroutine.goid}: ${kind} as ${timeClass}`)
    },
  }
  // Go's reader pushes times forward so that they strictly increase.
  runTimeline(trace, perfText, listener, [], ({ orderedNs }) => orderedNs)
  return new Map(
    [...lives].map(([goid, { times, goroutine }]) => {
      const lastWaitNs = goroutine.state === GoState.Waiting ? goroutine.openNs - goroutine.stateSinceNs : NaN
      return [goid, { goid, name: goroutine.startFunc, times, lastWaitNs }]
    }),
  )
}

function kindOf(goroutine: Goroutine, startNs: number): string {
  switch (goroutine.state) {
    case GoState.Running:
      return 'running'
    case GoState.Runnable:
      return 'runnable'
    case GoState.Syscall:
      return 'syscall'
    default:
      return goroutine.stateSinceNs === startNs ? 'waiting since before' : timeClasses[goroutine.waitClass]!
  }
}

function add(times: Times, kind: string, ns: number): void {
  times[kind] = (times[kind] ?? 0) + ns
}

function spent(times: Times): Times {
  return Object.fromEntries(Object.entries(times).filter(([, ns]) => ns !== 0))
}

/** All goroutines of both, also the shortest. `endless`: those whose life ends for them where they begin to wait for ever. */
function compare(
  mine: ReadonlyMap<number, Ours>,
  shown: readonly ShownGoroutine[],
  endless: ReadonlySet<number> = new Set(),
): void {
  const theirs = shown.map((each) => ({ goid: each.goid, name: each.name, times: spent(theirTimes(each)) }))
  const comparable = [...mine.values()].map(({ goid, name, times, lastWaitNs }) => {
    if (endless.has(goid)) add(times, 'sync_wait', -lastWaitNs)
    return { goid, name, times: spent(times) }
  })
  const byGoid = (a: { goid: number }, b: { goid: number }) => a.goid - b.goid
  assert.deepEqual(comparable.sort(byGoid), theirs.sort(byGoid))
}

describe('the time of goroutines by class, against the pages of go tool trace', function () {
  const directory = temporaryDirectory()

  before(function () {
    requireGo(this)
  })

  it('reads Go’s durations in full', () => {
    assert.equal(nsOf('1h2m3.000000004s'), 3_723_000_000_004)
    assert.equal(nsOf('4.8µs'), 4800)
    assert.equal(nsOf('0s'), 0)
    assert.throws(() => nsOf('4.8 µs'), /not a duration/)
  })

  for (const capture of comparedTraces) {
    it(`is the same to the ns (${capture})`, async () => {
      const path = `test/captures/${capture}`
      compare(ours(readFileSync(path)), await shownGoroutines(path))
    })
  }

  for (const capture of ['healthy', 'stw-netpoll']) {
    it(`is the same to the ns where the kernel’s half divides it (${capture})`, async () => {
      const path = `test/captures/${capture}`
      const joined = ours(readFileSync(`${path}/go.trace`), gunzipSync(readFileSync(`${path}/perf.script.gz`)))
      compare(joined, await shownGoroutines(`${path}/go.trace`))
    })
  }

  it('differs for what does not end with the trace as Go defines it, and in nothing else', async () => {
    const [program, path] = [join(directory, 'endless'), join(directory, 'endless.trace')]
    execFileSync('go', ['build', '-o', program, '.'], { cwd: 'test/crosscheck/endless', stdio: 'pipe' })
    execFileSync(program, [path])
    const [mine, shown] = [ours(readFileSync(path)), await shownGoroutines(path)]
    const goidOf = (name: string) => shown.find((each) => each.name === name)!.goid
    const [reading, waiting] = [goidOf('main.readForEver'), goidOf('main.waitForEver')]
    const isTwice = ({ columnsNs, totalNs }: ShownGoroutine) => {
      return [...columnsNs.values()].reduce((sum, ns) => sum + ns) > totalNs
    }
    assert.deepEqual(
      shown.filter(isTwice).map(({ goid }) => goid),
      [reading],
    )
    assert.ok(mine.get(waiting)!.lastWaitNs > 100e6, 'it lives on')
    compare(mine, shown, new Set([waiting]))
  })
})
