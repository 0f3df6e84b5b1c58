import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Ev, GoTraceReader } from '../../src/gotrace/index.js'
import type { OutRow } from '../../src/measures/measure.js'
import type { Row } from '../../src/measures/table.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { runTimeline } from '../support/timeline.js'
import { alwaysOnCpu, analyzedRows, analyzedWithCheckpoints, rowsOf } from './support.js'

/** µs after the start of the trace. */
function beginUs(row: Row): number {
  return Number(BigInt(row.ts) - BigInt(wallSeconds) * 1_000_000_000n) / 1e3
}

/** The parts of a row's time that are not 0, in µs. */
function parts(row: Row): Record<string, number> {
  const names = [...timeClasses.map((name) => `${name}_ns`), 'unattended_ns']
  return Object.fromEntries(
    names.flatMap((name) => (row[name] ? [[name.slice(0, -3), (row[name] as number) / 1e3]] : [])),
  )
}

function sumOfParts(row: Row): number {
  const names = [...timeClasses.map((name) => `${name}_ns`), 'unattended_ns']
  return names.reduce((sum, name) => sum + ((row[name] as number | undefined) ?? 0), 0)
}

/**
 * Two threads that are always on a CPU; times are µs. Goroutine 1 begins task 7, makes goroutine 3 and waits for it; 3 begins the child
 * task 8; goroutine 2 helps in a region of task 7 and ends it.
 */
function handWorkedTasks(): OutRow[] {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  const stack = w.stack('main.wait', 'main.work')
  const t100 = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
  const t101 = (us: number, type: number, ...args: number[]) => w.event(101, us * 1e3, type, ...args)
  t100(0.001, Ev.ProcStatus, 0, 1)
  t100(0.002, Ev.GoStatus, 1, 100, 2)
  t100(10, Ev.UserTaskBegin, 7, 0, w.string('request'), stack)
  t100(12, Ev.UserLog, 7, w.string('task-id'), w.string('abc'), stack)
  t100(20, Ev.UserRegionBegin, 7, w.string('outer'), stack)
  t100(30, Ev.UserRegionBegin, 7, w.string('inner'), stack)
  t100(35, Ev.UserLog, 7, w.string('note'), w.string('x'.repeat(1000)), stack)
  t100(40, Ev.UserRegionEnd, 7, w.string('inner'), stack)
  t100(50, Ev.GoCreate, 3, w.stack('main.child'), stack)
  t100(60, Ev.GoBlock, w.string('chan receive'), stack)
  t100(65, Ev.GoStart, 3, 1)
  t100(75, Ev.UserTaskBegin, 8, 7, w.string('part'), stack)
  t100(80, Ev.GoBlock, w.string('sleep'), stack)
  t100(140, Ev.GoStart, 3, 3)
  t100(150, Ev.UserTaskEnd, 8, stack)
  t100(155, Ev.GoUnblock, 1, 1, stack)
  t100(160, Ev.GoDestroy)
  t100(165, Ev.GoStart, 1, 2)
  t100(170, Ev.UserRegionEnd, 7, w.string('outer'), stack)
  t100(180, Ev.UserTaskBegin, 9, 0, w.string('other'), stack)
  t100(200, Ev.UserTaskEnd, 9, stack)
  t100(220, Ev.UserRegionBegin, 0, w.string('background'), stack)
  t100(230, Ev.UserRegionEnd, 0, w.string('background'), stack)
  t100(240, Ev.UserTaskBegin, 10, 0, w.string('endless'), stack)
  t100(250, Ev.UserRegionEnd, 0, w.string('early'), stack)
  t100(255, Ev.UserTaskEnd, 5, stack)
  t100(260, Ev.UserRegionBegin, 0, w.string('left open'), stack)
  t100(270, Ev.GoDestroy)

  t101(1, Ev.ProcStatus, 1, 1)
  t101(1.001, Ev.GoStatus, 2, 101, 2)
  t101(100, Ev.UserRegionBegin, 7, w.string('help'), stack)
  t101(120, Ev.UserRegionEnd, 7, w.string('help'), stack)
  t101(130, Ev.GoUnblock, 3, 2, stack)
  t101(210, Ev.UserTaskEnd, 7, stack)
  t101(300, Ev.GoStop, w.string('preempted'), stack)
  return analyzedRows({ gotrace: w.bytes(), perf: alwaysOnCpu([100, 101], startSeconds, 310) })
}

describe('tasks and regions, on a capture worked out by hand', () => {
  const rows = handWorkedTasks()
  const tasks = new Map(rowsOf(rows, 'tasks').map((row) => [row['task'], row]))
  const regions = new Map(rowsOf(rows, 'regions').map((row) => [row['type'], row]))

  it('gives every instant of a task to the goroutine furthest in progress, or to nobody', () => {
    const row = tasks.get(7)!
    assert.deepEqual([beginUs(row), row['duration_ns']], [10, 200e3])
    // 80 to 130: goroutine 3 sleeps, 1 waits for it, 2 helps from 100 to 120. 180 to 200: goroutine 1 does something else.
    assert.deepEqual(parts(row), { on_cpu: 130, sched_wait: 20, sleep: 30, unattended: 20 })
    assert.deepEqual([row['goroutine_ns'], row['cpu_ns']], [180e3 + 110e3 + 20e3, 75e3 + 35e3 + 20e3])
  })

  it('names who worked for a task: its creator, whom that one created, and whoever was in a region of it', () => {
    const row = tasks.get(7)!
    assert.deepEqual([row['type'], row['parent'], row['goroutine']], ['request', null, 1])
    assert.deepEqual([row['goroutines'], row['goroutine_count']], ['[1,3,2]', 3])
  })

  it('lets a child task take its part of the time, which also counts for its parent', () => {
    const row = tasks.get(8)!
    assert.deepEqual([row['type'], row['parent'], row['goroutines']], ['part', 7, '[3]'])
    assert.deepEqual([beginUs(row), parts(row)], [75, { on_cpu: 15, sleep: 50, sched_wait: 10 }])
  })

  it('lets a goroutine return to its older task when a newer, unrelated one ends', () => {
    assert.deepEqual(parts(tasks.get(9)!), { on_cpu: 20 })
  })

  it('divides a region into the pieces of its goroutine, nested or not, whatever its task', () => {
    const outer = regions.get('outer')!
    assert.deepEqual([beginUs(outer), outer['duration_ns']], [20, 150e3])
    assert.deepEqual(parts(outer), { on_cpu: 45, sched_wait: 10, sync_wait: 95 })
    const place = (row: Row) => [row['task'], row['goroutine'], row['region'], row['depth']]
    assert.deepEqual(place(outer), [7, 1, 1, 0])
    const inner = regions.get('inner')!
    assert.deepEqual([place(inner), parts(inner)], [[7, 1, 2, 1], { on_cpu: 10 }])
    assert.deepEqual(place(regions.get('help')!), [7, 2, 1, 0])
    assert.deepEqual(place(regions.get('background')!), [null, 1, 3, 0])
    assert.equal(regions.size, 4)
  })

  it('keeps the logs of a task and of the innermost region, and counts what it cut', () => {
    const row = tasks.get(7)!
    const note = { at_ns: 25e3, goroutine: 1, category: 'note', message: 'x'.repeat(256) }
    assert.deepEqual(JSON.parse(row['logs'] as string), [
      { at_ns: 2e3, goroutine: 1, category: 'task-id', message: 'abc' },
      note,
    ])
    assert.deepEqual([row['log_id'], row['logs_cut']], ['abc', 1])
    assert.deepEqual(JSON.parse(regions.get('inner')!['logs'] as string), [{ ...note, at_ns: 5e3 }])
    assert.equal(regions.get('outer')!['logs'], null)
  })

  it('counts tasks and regions of which one end is not in the trace, and gives them no row', () => {
    assert.deepEqual([...tasks.keys()].sort(), [7, 8, 9])
    const counts = rowsOf(rows, 'unfinished_tasks').map((row) => [row['kind'], row['began_before'], row['not_ended']])
    assert.deepEqual(counts, [
      ['task', 1, 1],
      ['region', 1, 1],
    ])
  })
})

describe('tasks and regions, on real traces', () => {
  for (const version of ['1.11', '1.20', '1.21', '1.22', '1.23', '1.26']) {
    const trace = readFileSync(`test/captures/gotrace/go${version}.trace`)

    it(`have parts that sum up to their duration exactly (Go ${version})`, () => {
      const rows = analyzedRows({ gotrace: trace })
      const both = [...rowsOf(rows, 'tasks'), ...rowsOf(rows, 'regions')]
      assert.ok(both.length > 20, `${both.length} tasks and regions`)
      for (const row of both) assert.equal(sumOfParts(row), row['duration_ns'], JSON.stringify(row))
    })

    it(`are as many as the trace’s events say, each region with its goroutine’s pieces (Go ${version})`, () => {
      const told = analyzedRows({ gotrace: trace })
      const expected = expectedRegions(trace)
      const found = rowsOf(told, 'regions').map((row) => {
        return [row['goroutine'], row['type'], row['duration_ns'], ...timeClasses.map((name) => row[`${name}_ns`])]
      })
      assert.deepEqual(found.map(String).sort(), expected.map(String).sort())
      const begun = new Set<number>()
      const ended: number[] = []
      forEachEvent(trace, ({ type, args }) => {
        if (type === Ev.UserTaskBegin) begun.add(args[0]!)
        if (type === Ev.UserTaskEnd && begun.has(args[0]!)) ended.push(args[0]!)
      })
      assert.deepEqual(
        rowsOf(told, 'tasks').map((row) => row['task']),
        ended,
      )
    })
  }
})

describe('tasks, regions, wake chains and goroutines, resumed from a checkpoint', () => {
  const captures = {
    healthy: {
      gotrace: readFileSync('test/captures/healthy/go.trace'),
      perf: gunzipSync(readFileSync('test/captures/healthy/perf.script.gz')),
    },
    'go1.26.trace': { gotrace: readFileSync('test/captures/gotrace/go1.26.trace') },
  }
  for (const [name, streams] of Object.entries(captures)) {
    it(`are the rows there would have been without it (${name})`, () => {
      const kept = new Set(['tasks', 'regions', 'unfinished_tasks', 'wake_chains', 'goroutines', 'goroutine_starts'])
      const lines = (rows: readonly OutRow[]) => {
        return rows.filter(({ table }) => kept.has(table)).map((row) => JSON.stringify(row))
      }
      const { rows, checkpoints } = analyzedWithCheckpoints(streams)
      assert.ok(checkpoints.length >= 2, `${checkpoints.length} checkpoints`)
      for (const { saved, rowsBefore } of checkpoints) {
        const after = lines(analyzedRows(streams, saved))
        // Behind the trace's end nothing is left to write in these tables.
        if (saved.position.gotrace < streams.gotrace.length) assert.ok(after.length > 0)
        // What was written after the checkpoint is written again, the same: the store keeps one.
        assert.deepEqual([...new Set([...lines(rowsBefore), ...after])].sort(), lines(rows).sort())
      }
    })
  }
})

describe('a task that ends while its goroutine waits for a P', () => {
  it('has the wait up to there, and what the goroutine works for then the rest, also within a stop-the-world', () => {
    const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
    const t100 = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
    const t101 = (us: number, type: number, ...args: number[]) => w.event(101, us * 1e3, type, ...args)
    t100(0.001, Ev.ProcStatus, 0, 1)
    t100(0.002, Ev.GoStatus, 1, 100, 2)
    t100(10, Ev.UserTaskBegin, 7, 0, w.string('older'), 0)
    t100(20, Ev.UserTaskBegin, 8, 0, w.string('newer'), 0)
    t100(25, Ev.UserTaskBegin, 9, 8, w.string('part'), 0)
    t100(30, Ev.GoStop, w.string('preempted'), 0)
    t100(80, Ev.GoStart, 1, 1)
    t100(100, Ev.UserTaskEnd, 7, 0)
    t101(1, Ev.ProcStatus, 1, 1)
    t101(1.001, Ev.GoStatus, 2, 101, 2)
    t101(35, Ev.UserTaskEnd, 9, 0)
    t101(45, Ev.STWBegin, w.string('GC mark termination'), 0)
    t101(50, Ev.UserTaskEnd, 8, 0)
    t101(60, Ev.STWEnd)
    t101(110, Ev.GoStop, w.string('preempted'), 0)
    const rows = analyzedRows({ gotrace: w.bytes(), perf: alwaysOnCpu([100, 101], startSeconds, 120) })
    const tasks = new Map(rowsOf(rows, 'tasks').map((row) => [row['type'], parts(row)]))
    assert.deepEqual(Object.fromEntries(tasks), {
      part: { on_cpu: 5, sched_wait: 5 },
      newer: { on_cpu: 10, sched_wait: 15, stw: 5 },
      older: { on_cpu: 30, sched_wait: 20, stw: 10, unattended: 30 },
    })
  })
})

describe('the goroutine of net/http that waits for the client to hang up', () => {
  it('does not work for the task in which its handler read the body', () => {
    const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
    const event = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
    event(0.001, Ev.ProcStatus, 0, 1)
    event(0.002, Ev.GoStatus, 1, 100, 2)
    event(10, Ev.UserTaskBegin, 7, 0, w.string('request'), 0)
    event(20, Ev.GoCreate, 3, w.stack('net/http.(*connReader).backgroundRead'), w.stack('main.serve'))
    event(30, Ev.GoBlock, w.string('sync'), w.stack('sync.(*Mutex).Lock', 'main.serve'))
    event(40, Ev.GoStart, 3, 1)
    event(50, Ev.GoBlock, w.string('network'), 0)
    event(60, Ev.ProcStop)
    w.event(101, 5e3, Ev.ProcStatus, 1, 1)
    w.event(101, 5.1e3, Ev.GoStatus, 2, 101, 2)
    w.event(101, 190e3, Ev.GoUnblock, 1, 1, 0)
    event(195, Ev.ProcStart, 0, 1)
    event(200, Ev.GoStart, 1, 2)
    event(210, Ev.UserTaskEnd, 7, 0)
    const [row] = rowsOf(analyzedRows({ gotrace: w.bytes() }), 'tasks')
    assert.deepEqual([row!['goroutines'], parts(row!)], ['[1]', { unknown: 30, sync_wait: 160, sched_wait: 10 }])
  })
})

describe('a hole in the trace', () => {
  const us = 1e3
  /** Generations of 1 ms in which goroutine 1 runs on thread 100; `events` come after 10 µs. */
  const generation = (
    gen: number,
    events: (t: (us: number, type: number, ...args: number[]) => void, w: GoTraceWriter) => void,
  ) => {
    const w = new GoTraceWriter(startSeconds * 1e9 + (gen - 1) * 1000 * us, wallSeconds, gen)
    const t = (at: number, type: number, ...args: number[]) => w.event(100, at * us, type, ...args)
    t(1, Ev.ProcStatus, 0, 1)
    t(2, Ev.GoStatus, 1, 100, 2)
    events(t, w)
    return w.bytes()
  }
  const first = generation(1, (t, w) => {
    t(10, Ev.UserTaskBegin, 7, 0, w.string('request'), 0)
    t(20, Ev.UserTaskBegin, 8, 0, w.string('short'), 0)
    t(30, Ev.UserTaskEnd, 8, 0)
  })
  const broken = generation(1, (t, w) => {
    t(10, Ev.UserTaskBegin, 7, 0, w.string('request'), 0)
    t(20, Ev.UserTaskBegin, 8, 0, w.string('short'), 0)
    t(30, Ev.UserTaskEnd, 8, 0)
    // It runs already: what this generation has from here on cannot be told.
    t(40, Ev.GoStart, 1, 9)
    t(50, Ev.GoStop, w.string('preempted'), 0)
  })
  const second = (gen: number) => generation(gen, (t) => t(100, Ev.UserTaskEnd, 7, 0))

  const tasksOf = (...generations: Uint8Array[]) => {
    const rows = analyzedRows({ gotrace: Buffer.concat(generations) })
    const unfinished = rowsOf(rows, 'unfinished_tasks').map((row) => [
      row['kind'],
      row['began_before'],
      row['not_ended'],
    ])
    return [rowsOf(rows, 'tasks').map((row) => [row['type'], row['duration_ns']]), unfinished]
  }
  const short = ['short', 10 * us]

  it('is none where one generation follows the other', () => {
    assert.deepEqual(tasksOf(first, second(2)), [[short, ['request', 1090 * us]], []])
  })

  it('ends tasks that are open when the rest of a generation could not be read', () => {
    assert.deepEqual(tasksOf(broken, second(2)), [[short], [['task', 1, 1]]])
  })

  it('ends tasks that are open when a generation is missing', () => {
    assert.deepEqual(tasksOf(first, second(3)), [[short], [['task', 1, 1]]])
  })
})

function forEachEvent(trace: Uint8Array, visit: (event: GoTraceReader['event'], reader: GoTraceReader) => void): void {
  const reader = new GoTraceReader()
  reader.push(trace)
  reader.end()
  while (reader.next()) visit(reader.event, reader)
}

/** Regions by a stack per goroutine, and their times by clipping every piece that the goroutine's life has without them. */
function expectedRegions(trace: Uint8Array): (string | number)[][] {
  const pieces = new Map<number, [fromNs: number, toNs: number, classId: number][]>()
  runTimeline(trace, Buffer.from(''), {
    segment({ goid }, fromNs, toNs, classId) {
      const list = pieces.get(goid) ?? []
      list.push([fromNs, toNs, classId])
      pieces.set(goid, list)
    },
  })
  const open = new Map<number, [type: string, beginNs: number][]>()
  const found: (string | number)[][] = []
  let nowNs = -Infinity
  forEachEvent(trace, ({ type, goid, args, timeNs }, reader) => {
    nowNs = Math.max(nowNs, timeNs)
    const stack = open.get(goid) ?? []
    if (type === Ev.UserRegionBegin) open.set(goid, [...stack, [reader.string(args[1]!), nowNs]])
    if (type !== Ev.UserRegionEnd || stack.length === 0) return
    const [name, beginNs] = stack.pop()!
    const sums = timeClasses.map((_, id) => {
      const own = (pieces.get(goid) ?? []).filter((piece) => piece[2] === id)
      return own.reduce(
        (sum, [fromNs, toNs]) => sum + Math.max(0, Math.min(toNs, nowNs) - Math.max(fromNs, beginNs)),
        0,
      )
    })
    found.push([goid, name, nowNs - beginNs, ...sums])
  })
  return found
}
