import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../../src/measures/table.js'
import { readGoTrace } from '../../src/readGoTrace.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { runCli } from '../support/cli.js'
import { recordWorkload } from '../support/recording.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload } from '../support/workloads.js'
import { rowsOf } from './support.js'

const ms = 1e6

function median(values: readonly number[]): number {
  assert.ok(values.length > 0)
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** A requests's task, its child task and its regions by type. */
interface Request {
  readonly id: string
  readonly task: Row
  readonly part: Row
  readonly regions: ReadonlyMap<unknown, Row>
}

describe('tasks and regions, of a workload recorded live', function () {
  let capture: string
  let measured: Readonly<Record<string, number>>
  let requests: Request[]
  let regions: Row[]
  let tasks: Row[]
  let unfinished: Row[]
  let movedNs = 0

  before(async function () {
    requireGo(this)
    requirePerf(this)
    capture = await mkdtemp(join(tmpdir(), 'dualtrace-tasks-'))
    measured = await recordWorkload(buildWorkload('tasks'), [], capture, 4000)
    const { rows } = await analyzeCapture(capture)
    for await (const event of readGoTrace(await readFile(join(capture, 'go.trace'))))
      movedNs = Math.max(movedNs, event.orderedNs - event.timeNs)
    tasks = rowsOf(rows, 'tasks')
    regions = rowsOf(rows, 'regions')
    unfinished = rowsOf(rows, 'unfinished_tasks')
    requests = tasks
      .filter((row) => row['type'] === 'request')
      .map((task) => ({
        id: task['log_id'] as string,
        task,
        part: tasks.find((row) => row['parent'] === task['task'])!,
        regions: new Map(regions.filter((row) => row['task'] === task['task']).map((row) => [row['type'], row])),
      }))
  })
  after(async () => rm(capture, { recursive: true, force: true }))

  const typical = (of: (request: Request) => number) => median(requests.map(of))
  const ns = (row: Row | undefined, name: string) => row![name] as number

  it('lasted as long as the program measured itself', () => {
    assert.ok(requests.length > 20, `${requests.length} requests`)
    const compare = (name: string, of: (request: Request) => number) => {
      const differences = requests.map((request) => measured[`${request.id}${name}`]! - of(request))
      // The program’s clock runs from before the begin to after the end; only who is preempted in between measures much more. An event that had to follow
      // one whose thread was kept from writing it is told behind that: on a busy machine so much later than it was.
      assert.ok(
        differences.every((difference) => difference > -1000 - movedNs),
        `${name}: ${Math.min(...differences)} ns`,
      )
      assert.ok(median(differences) < 0.2 * ms, `${name}: ${median(differences)} ns`)
    }
    compare('', ({ task }) => ns(task, 'duration_ns'))
    compare('.part', ({ part }) => ns(part, 'duration_ns'))
    for (const name of ['handle', 'compute', 'sleep', 'syscall', 'channel']) {
      compare(`.${name}`, (request) => ns(request.regions.get(name), 'duration_ns'))
    }
  })

  it('have parts that sum up to their duration exactly', () => {
    const names = [...timeClasses.map((name) => `${name}_ns`), 'unattended_ns']
    for (const row of [...tasks, ...regions]) {
      const sum = names.reduce((all, name) => all + ((row[name] as number | undefined) ?? 0), 0)
      assert.equal(sum, row['duration_ns'])
    }
  })

  it('were what the program did: computing, sleeping, in a system call, waiting for the worker', () => {
    const region = (name: string, ...classes: string[]) =>
      typical(({ regions: own }) => classes.reduce((sum, each) => sum + ns(own.get(name), `${each}_ns`), 0))
    assert.ok(region('compute', 'on_cpu', 'cpu_stolen', 'sched_wait', 'sched_wait_kernel') > 3.9 * ms)
    assert.ok(region('sleep', 'sleep') > 5.9 * ms)
    assert.ok(region('syscall', 'syscall_blocked') > 4.5 * ms)
    assert.ok(region('channel', 'sync_wait') > 5.5 * ms)
  })

  it('count the worker’s part for the request that waits for it, and the time in the queue for nobody', () => {
    // serve sleeps 6 ms, the worker 3 ms while serve waits for it.
    assert.ok(typical(({ task }) => ns(task, 'sleep_ns')) > 8.8 * ms)
    assert.ok(typical(({ task }) => ns(task, 'sync_wait_ns')) < 0.5 * ms)
    assert.ok(typical(({ task }) => ns(task, 'unattended_ns')) > 1.9 * ms)
    assert.ok(typical(({ part }) => ns(part, 'sleep_ns')) > 2.9 * ms)
    assert.ok(requests.every(({ task }) => task['goroutine_count'] === 2))
  })

  it('keep regions that outlast a generation of the trace, with the log that names them', () => {
    const long = regions.filter((row) => row['type'] === 'long')
    assert.ok(long.length >= 1)
    for (const row of long) {
      const [log] = JSON.parse(row['logs'] as string) as { category: string; message: string }[]
      assert.equal(log?.category, 'id')
      assert.ok(Math.abs(measured[log.message]! - ns(row, 'duration_ns')) < 20 * ms)
      assert.ok(ns(row, 'sync_wait_ns') > 1250 * ms, 'it waits for a timer in a select')
    }
  })

  it('count what began before the recording or did not end in it', () => {
    const sum = (kind: string, name: string) =>
      unfinished.reduce((all, row) => all + (row['kind'] === kind ? ns(row, name) : 0), 0)
    // One region `long` at each end; requests may fall between.
    assert.equal(sum('region', 'began_before') >= 1, true)
    assert.equal(sum('region', 'not_ended') >= 1, true)
    assert.ok(sum('task', 'began_before') <= 3 && sum('task', 'not_ended') <= 3)
  })

  it('can be followed by what they logged: diagnose --task-id req-N', async () => {
    const { id, task } = requests[Math.floor(requests.length / 2)]!
    const { code, stdout, stderr } = await runCli(['diagnose', capture, '--task-id', id])
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`Task ${String(task['task'])} \\(request\\) "${id}": [\\d.]+ ms from`))
    for (const name of ['handle', 'compute', 'sleep', 'syscall', 'channel']) {
      assert.match(stdout, new RegExp(`  ${name}, goroutine ${String(task['goroutine'])}: `))
    }
    assert.match(stdout, /child tasks\n.* task \d+ \(part\)/)
    assert.match(stdout, /sleep +goroutine \d+ \(main\.run\.func/)
  })
})
