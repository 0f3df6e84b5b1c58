import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ev } from '../../src/gotrace/index.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { requestId, requestTrace } from '../support/requestTrace.js'

const healthy = 'test/captures/healthy'

type TaskStep = (task: number, parent?: number) => void

describe('dualtrace diagnose --task-id', () => {
  let dir: string
  before(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-task-'))))
  after(() => rmSync(dir, { recursive: true, force: true }))

  it('shows where the time of one task went, its timeline, regions and logs, and puts them into the JSON result', async () => {
    const path = join(dir, 'result.json')
    const { code, stdout, stderr } = await runCli(['diagnose', healthy, '--task-id', '525', '--json', path])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Task 525 \(order\).*: [\d.]+ (ms|µs) from \+/)
    assert.match(stdout, /timeline\n/)
    const { followed } = DiagnoseResult.parse(JSON.parse(readFileSync(path, 'utf8')))
    assert.equal(followed?.length, 1)
    const [task] = followed
    const sum = Object.values(task!.classes).reduce((all, ns) => all + ns, 0)
    assert.equal(sum, task!.duration_ns)
    const ofCreator = task!.timeline.filter(({ goroutine }) => goroutine === task!.timeline[0]!.goroutine)
    ofCreator.slice(1).forEach((piece, i) => {
      assert.equal(
        piece.at_ns,
        ofCreator[i]!.at_ns + ofCreator[i]!.duration_ns,
        'the pieces of a goroutine follow each other',
      )
    })
  })

  it('finds a task by what it logged, and shows who woke whom in it', async () => {
    const trace = join(dir, 'hand.trace')
    writeFileSync(trace, requestTrace())

    const [json, folded] = [join(dir, 'hand.json'), join(dir, 'hand.folded')]
    const exported = ['--json', json, '--export', `folded-blocked=${folded}`]
    const args = ['diagnose', '--trace', trace, '--task-id', requestId]
    const { code, stdout, stderr } = await runCli([...args, ...exported])
    assert.equal(code, 0, stderr)
    // What the program logged is text from outside: no control character of it reaches the terminal.
    assert.match(stdout, /Task 7 \(request\) "order\\u001b\[31m-9": 82\.0 ms from \+/)
    assert.ok(!stdout.includes('\u001b[31m-9'))
    assert.match(stdout, / net_wait +69\.0 ms /)
    assert.match(
      stdout,
      /goroutine 1 \(main\.serve\) waited 76\.0 ms \(sync_wait\) → goroutine 2 \(main\.load\) waited 69\.0 ms \(net_wait\), ended by the network/,
    )

    // Everything else is about what both goroutines did for the task as well, to the ns: the graphs, the numbers, the rows.
    assert.deepEqual(readFileSync(folded, 'utf8').trimEnd().split('\n').sort(), [
      'main.load;[sched_wait] 2000000',
      'main.load;main.serve;runtime.chanrecv1;[net_wait] 69000000',
      'main.load;main.serve;runtime.chanrecv1;[sched_wait] 1000000',
      'main.serve;runtime.chanrecv1;[sched_wait] 2000000',
      'main.serve;runtime.chanrecv1;[sync_wait] 76000000',
    ])
    const { tables, capture, followed } = DiagnoseResult.parse(JSON.parse(readFileSync(json, 'utf8')))
    const rows = tables as Record<string, Record<string, unknown>[]>
    const sum = rows['time_classes']!.reduce((all, row) => all + Number(row['ns']), 0)
    assert.equal(sum, 82e6 + 78e6, 'what both goroutines lived within the task')
    assert.deepEqual(
      rows['tasks']!.map((row) => [row['task'], row['duration_ns'], row['goroutine_count']]),
      [[7, 82e6, 2]],
    )
    assert.equal(followed![0]!.duration_ns, 82e6)
    // Where each waited, and nothing where it stopped before it was runnable or ran.
    assert.match(stdout, / 69\.0 ms +net_wait +goroutine 2 \(main\.load\), at main\.serve\n/)
    const placed = followed![0]!.timeline.filter((piece) => piece.stack !== null)
    assert.deepEqual(
      placed.map((piece) => [piece.goroutine, piece.class, piece.stack]),
      [
        [1, 'sync_wait', 'main.serve;runtime.chanrecv1'],
        [2, 'net_wait', 'main.serve;runtime.chanrecv1'],
      ],
    )
    assert.equal(capture.windows!.length, 1)
    assert.match(stdout, /Where the time of 2 selected goroutines went/)
    const graph = rows['flames']!.filter((row) => row['scope'] === 'blocked' && row['level'] === 0)
    assert.equal(graph[0]!['value'], 150e6)

    const stdin = await runCli(['diagnose', '--trace', '-', '--task-id', '7'])
    assert.deepEqual([stdin.code, stdin.stdout], [2, ''])
    assert.match(stdin.stderr, /--task-id reads the input twice, which stdin \(-\) cannot/)

    const unfinished = await runCli(['diagnose', '--trace', trace, '--task-id', '8'])
    assert.equal(unfinished.code, 2)
    assert.match(unfinished.stderr, /task 8 \(endless\) matches 8, but its end is not in the recording/)
  })

  it('has a row for each task under it, also for one that a goroutine ended which did not work for it', async () => {
    const w = new GoTraceWriter(1000e9, 1_700_000_000)
    const at = (ms: number, type: number, ...args: number[]) => w.event(100, ms * 1e6, type, ...args)
    const stack = w.stack('runtime.chanrecv1', 'main.serve')
    at(0.01, Ev.ProcStatus, 0, 1)
    at(0.02, Ev.GoStatus, 1, 100, 2)
    at(0.5, Ev.GoCreate, 3, w.stack('main.reap'), stack)
    at(1, Ev.UserTaskBegin, 7, 0, w.string('request'), stack)
    at(2, Ev.UserTaskBegin, 9, 7, w.string('part'), stack)
    at(3, Ev.GoBlock, w.string('chan receive'), stack)
    at(4, Ev.GoStart, 3, 1)
    at(5, Ev.UserTaskEnd, 9, stack)
    at(6, Ev.GoUnblock, 1, 1, stack)
    at(7, Ev.GoDestroy)
    at(8, Ev.GoStart, 1, 2)
    at(9, Ev.UserTaskEnd, 7, stack)
    at(10, Ev.UserTaskBegin, 11, 0, w.string('other'), stack)
    at(11, Ev.UserTaskEnd, 11, stack)
    at(12, Ev.GoDestroy)
    const trace = join(dir, 'child.trace')
    writeFileSync(trace, w.bytes())

    const { code, stdout, stderr } = await runCli(['diagnose', '--trace', trace, '--task-id', '7'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^ {2}request +1 ×.* max +8\.00 ms/m)
    assert.match(stdout, /^ {2}part +1 ×.* max +3\.00 ms/m)
    assert.doesNotMatch(stdout, /^ {2}other /m)
  })

  /** A trace of one goroutine that does with tasks what `write` says, 1 ms after the other; all tasks log the same id. */
  const ofOneGoroutine = (name: string, write: (tasks: Record<'begin' | 'log' | 'end', TaskStep>) => void) => {
    const w = new GoTraceWriter(1000e9, 1_700_000_000)
    let ms = 0
    const at = (type: number, ...args: number[]) => w.event(100, ++ms * 1e6, type, ...args)
    const stack = w.stack('main.serve')
    at(Ev.ProcStatus, 0, 1)
    at(Ev.GoStatus, 1, 100, 2)
    write({
      begin: (task, parent = 0) => at(Ev.UserTaskBegin, task, parent, w.string('request'), stack),
      log: (task) => at(Ev.UserLog, task, w.string('request-id'), w.string('req-5'), stack),
      end: (task) => at(Ev.UserTaskEnd, task, stack),
    })
    at(Ev.GoDestroy)
    const trace = join(dir, name)
    writeFileSync(trace, w.bytes())
    return trace
  }

  const follow = async (trace: string) => {
    const json = join(dir, 'followed.json')
    const { code, stdout, stderr } = await runCli(['diagnose', '--trace', trace, '--task-id', 'req-5', '--json', json])
    assert.equal(code, 0, stderr)
    const result = DiagnoseResult.parse(JSON.parse(readFileSync(json, 'utf8')))
    const { followed, followed_cut: cut, followed_in_part: inPart, tables } = result
    const ids = (tables as Record<string, Record<string, unknown>[]>)['tasks']!.map((row) => row['task'])
    return { stdout, followed: followed!, shown: followed!.map(({ task }) => task), cut, inPart, ids }
  }

  const twelve = Array.from({ length: 12 }, (_, i) => 101 + i)

  it('follows a request, and not each of its many tasks that log the same id', async () => {
    const trace = ofOneGoroutine('family.trace', ({ begin, log, end }) => {
      begin(7)
      for (const child of twelve) {
        begin(child, 7)
        log(child)
        end(child)
      }
      log(7)
      end(7)
    })
    const { stdout, followed, shown, cut, ids } = await follow(trace)
    assert.deepEqual([shown, cut], [[7], 0])
    assert.match(stdout, /^Task 7 \(request\) "req-5": 38\.0 ms from \+/m)
    assert.doesNotMatch(stdout, /^Task 10\d|not shown/m)
    assert.deepEqual(
      followed[0]!.children.map(({ task }) => task),
      twelve,
    )
    assert.deepEqual(ids, [...twelve, 7], 'the numbers are about the request and all of its tasks')
  })

  it('says how many tasks match beyond those it shows', async () => {
    const each = (trace: string, tasks: readonly number[]) =>
      ofOneGoroutine(trace, ({ begin, log, end }) => {
        for (const task of tasks) {
          begin(task)
          log(task)
          end(task)
        }
      })
    const { stdout, shown, cut, ids } = await follow(each('many.trace', twelve))
    assert.deepEqual([shown, cut], [twelve.slice(0, 10), 2])
    assert.match(stdout, /\n\n2 more tasks match, not shown\n\n/)
    assert.deepEqual(ids, twelve.slice(0, 10), 'the numbers are about those that are shown')
    const eleven = await follow(each('eleven.trace', twelve.slice(1)))
    assert.match(eleven.stdout, /\n\n1 more task matches, not shown\n\n/)
  })

  it('shows a task that matches rather than those whose place an open request is going to take', async () => {
    const trace = ofOneGoroutine('several.trace', ({ begin, log, end }) => {
      begin(7)
      log(7)
      for (const child of twelve) {
        begin(child, 7)
        log(child)
        end(child)
      }
      begin(20)
      log(20)
      end(20)
      // Lies in a task that logs nothing.
      begin(30)
      begin(31, 30)
      log(31)
      end(31)
      end(7)
      end(30)
    })
    const { shown, cut } = await follow(trace)
    assert.deepEqual([shown, cut], [[20, 31, 7], 0])
  })

  it('follows a task that outlives the request it lies in by itself', async () => {
    const trace = ofOneGoroutine('outlives.trace', ({ begin, log, end }) => {
      begin(7)
      log(7)
      begin(8, 7)
      log(8)
      end(7)
      end(8)
    })
    const { shown, cut, ids } = await follow(trace)
    assert.deepEqual([shown, cut, ids], [[7, 8], 0, [7, 8]])
  })

  it('says that a request has no end in the trace although tasks of it are shown', async () => {
    const trace = ofOneGoroutine('running.trace', ({ begin, log, end }) => {
      begin(7)
      log(7)
      begin(8, 7)
      log(8)
      end(8)
      // Lies within the request, which is told of.
      begin(9, 7)
      log(9)
    })
    const { stdout, shown, cut, inPart } = await follow(trace)
    assert.deepEqual([shown, cut], [[8], 0])
    assert.deepEqual(inPart, [{ task: 7, type: 'request', missing: 'end' }])
    assert.match(stdout, /\n\ntask 7 \(request\) matches as well, but its end is not in the recording\n\n/)
    assert.doesNotMatch(stdout, /task 9/i)
  })

  it('says that a request began before the trace although tasks of it are shown', async () => {
    const trace = ofOneGoroutine('before.trace', ({ begin, log, end }) => {
      log(7)
      begin(8, 7)
      log(8)
      end(8)
      // A log after the end of a task that matches does not make it one that began before.
      log(8)
      end(7)
    })
    const { stdout, shown, cut, inPart } = await follow(trace)
    assert.deepEqual([shown, cut], [[8], 0])
    assert.deepEqual(inPart, [{ task: 7, type: null, missing: 'begin' }])
    assert.match(stdout, /\n\ntask 7 matches as well, but its begin is not in the recording\n\n/)

    const byNumber = await runCli(['diagnose', '--trace', trace, '--task-id', '7'])
    assert.equal(byNumber.code, 2)
    assert.match(byNumber.stderr, /task 7 matches 7, but its begin is not in the recording/)
  })

  it('names some tasks that there are when there is no such task', async () => {
    const { code, stdout, stderr } = await runCli(['diagnose', healthy, '--task-id', 'nobody'])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /there is no task with the number or the logged id nobody; there are: \d+ \(order\)/)
  })

  it('says that a trace holds no task at all', async () => {
    const trace = 'test/captures/gotrace/go1.25.trace'
    const { code, stderr } = await runCli(['diagnose', '--trace', trace, '--task-id', '1'])
    assert.equal(code, 2)
    assert.match(stderr, /no user task .* ended in the recording/)
  })
})
