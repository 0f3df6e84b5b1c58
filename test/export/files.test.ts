import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { z } from 'zod'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { runCli } from '../support/cli.js'
import { requestPerf, requestTrace } from '../support/requestTrace.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'

const capture = 'test/captures/stw-netpoll'
const kinds = ['folded', 'folded-off-cpu', 'folded-blocked', 'speedscope', 'firefox', 'perfetto']

const numbers = z.array(z.number())
const index = z.array(z.int())
/** The columns of version 48 that we fill, as the Firefox Profiler reads them. */
const FirefoxProfile = z.object({
  meta: z.object({
    version: z.int(),
    preprocessedProfileVersion: z.literal(48),
    categories: z.array(z.object({ name: z.string() })),
  }),
  libs: z.array(z.never()),
  threads: z.array(
    z.object({
      name: z.string(),
      tid: z.int(),
      pid: z.string(),
      isMainThread: z.boolean(),
      samples: z.object({
        length: z.int(),
        stack: index,
        time: numbers,
        weight: numbers,
        weightType: z.literal('tracing-ms'),
      }),
      markers: z.object({
        length: z.int(),
        name: index,
        startTime: numbers,
        endTime: numbers,
        phase: index,
        category: index,
        data: z.array(z.object({ type: z.literal('Text'), name: z.string() })),
      }),
      stackTable: z.object({
        length: z.int(),
        frame: index,
        prefix: z.array(z.int().nullable()),
        category: index,
        subcategory: index,
      }),
      frameTable: z.object({ length: z.int(), func: index, address: index }),
      funcTable: z.object({ length: z.int(), name: index, resource: index }),
      stringArray: z.array(z.string()),
    }),
  ),
})

type FirefoxThread = z.infer<typeof FirefoxProfile>['threads'][number]

/** Samples of a thread: when each began, its stack as one line, and its weight, ms. */
function samplesOf({ samples, stackTable, frameTable, funcTable, stringArray }: FirefoxThread) {
  const textOf = (stack: number): string => {
    const name = stringArray[funcTable.name[frameTable.func[stackTable.frame[stack]!]!]!]!
    const prefix = stackTable.prefix[stack] ?? null
    return prefix === null ? name : `${textOf(prefix)};${name}`
  }
  return samples.stack.map((stack, i) => ({
    atMs: samples.time[i]!,
    text: textOf(stack),
    ms: samples.weight[i]!,
    category: stackTable.category[stack]!,
  }))
}

/** Folded stacks of a file, ns each. */
function foldedTotals(path: string): Map<string, number> {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
}

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)

const TraceEvents = z.object({
  traceEvents: z.array(
    z.discriminatedUnion('ph', [
      z.strictObject({
        ph: z.literal('M'),
        pid: z.int(),
        tid: z.int().optional(),
        name: z.enum(['process_name', 'thread_name']),
        args: z.object({ name: z.string() }),
      }),
      z.strictObject({
        ph: z.literal('X'),
        pid: z.int(),
        tid: z.int(),
        name: z.string(),
        ts: z.number(),
        dur: z.number().nonnegative(),
        args: z.strictObject({ goroutine: z.int().optional(), stack: z.array(z.string()).optional() }).optional(),
      }),
    ]),
  ),
})

describe('exported files', () => {
  const directory = temporaryDirectory()
  const path = (kind: string) => join(directory, kind)
  const json = (kind: string): unknown => JSON.parse(readFileSync(path(kind), 'utf8'))
  let tables: Record<string, Row[]>
  before(async () => {
    const flags = kinds.flatMap((kind) => ['--export', `${kind}=${path(kind)}`])
    const { code, stderr } = await runCli(['diagnose', capture, '--json', path('result'), ...flags])
    assert.deepEqual([code, stderr], [0, ''])
    tables = DiagnoseResult.parse(json('result')).tables
  })

  it('hold as folded stacks what the table samples holds', () => {
    const frames = new Map(tables['stacks']!.map((row) => [row['stack_id'], String(row['frames'])]))
    for (const [file, kind] of [
      ['folded', 'on_cpu'],
      ['folded-off-cpu', 'off_cpu'],
      ['folded-blocked', 'blocked'],
    ] as const) {
      const rows = tables['samples']!.filter((row) => row['kind'] === kind)
      const folded = foldedTotals(path(file))
      assert.equal(sum(folded.values()), sum(rows.map((row) => Number(row['ns']))), kind)
      const [largest] = [...folded].sort((a, b) => b[1] - a[1])[0]!
      const ofLargest = rows.filter((row) => frames.get(row['stack_id'] as string) === largest)
      assert.equal(sum(ofLargest.map((row) => Number(row['ns']))), folded.get(largest))
      const root = tables['flames']!.filter((row) => row['scope'] === kind && row['level'] === 0)
      assert.equal(sum(root.map((row) => Number(row['value']))), sum(folded.values()))
    }
  })

  it('for speedscope satisfy its schema, and hold what the folded stacks hold', () => {
    const schema = JSON.parse(
      readFileSync('node_modules/speedscope/dist/release/file-format-schema.json', 'utf8'),
    ) as object
    const validate = new Ajv({ strict: false }).compile(schema)
    const file = json('speedscope')
    assert.ok(validate(file), JSON.stringify(validate.errors?.slice(0, 3)))
    const { shared, profiles } = file as {
      shared: { frames: { name: string }[] }
      profiles: { samples: number[][]; weights: number[]; endValue: number }[]
    }
    ;['folded', 'folded-off-cpu', 'folded-blocked'].forEach((kind, i) => {
      const { samples, weights, endValue } = profiles[i]!
      const stacks = samples.map((stack) => stack.map((frame) => shared.frames[frame]!.name).join(';'))
      assert.deepEqual(new Map(stacks.map((stack, at) => [stack, weights[at]!])), foldedTotals(path(kind)))
      assert.equal(endValue, sum(weights))
    })
  })

  it('for the Firefox Profiler have tables that fit together, and the time of the folded stacks', () => {
    const { threads, meta } = FirefoxProfile.parse(json('firefox'))
    assert.ok(threads.length >= 5)
    for (const { samples, markers, stackTable, frameTable, funcTable, stringArray } of threads) {
      for (const table of [samples, markers, stackTable, frameTable, funcTable]) {
        for (const column of Object.values(table)) if (Array.isArray(column)) assert.equal(column.length, table.length)
      }
      assert.deepEqual(
        samples.time,
        [...samples.time].sort((a, b) => a - b),
      )
      assert.ok(samples.time.every((time) => time >= 0))
      assert.ok(samples.stack.every((stack) => stack >= 0 && stack < stackTable.length))
      stackTable.prefix.forEach((prefix, row) => assert.ok(prefix === null || (prefix >= 0 && prefix < row)))
      assert.ok(stackTable.frame.every((frame) => frame >= 0 && frame < frameTable.length))
      assert.ok(stackTable.category.every((category) => category < meta.categories.length))
      assert.ok(frameTable.func.every((func) => func < funcTable.length))
      assert.ok([...funcTable.name, ...markers.name].every((name) => stringArray[name] !== undefined))
      markers.startTime.forEach((start, at) => assert.ok(start <= markers.endTime[at]!))
    }
    const totals = { onCpu: 0, offCpu: 0 }
    const blocked = new Map<string, number>()
    for (const thread of threads) {
      for (const { text, ms, category } of samplesOf(thread)) {
        const ns = Math.round(ms * 1e6)
        if (category === 1) totals.onCpu += ns
        if (category === 2) totals.offCpu += ns
        if (category === 3) blocked.set(text, (blocked.get(text) ?? 0) + ns)
        assert.equal(category === 3, thread.name === 'goroutines blocked', thread.name)
      }
    }
    assert.deepEqual(totals, {
      onCpu: sum(foldedTotals(path('folded')).values()),
      offCpu: sum(foldedTotals(path('folded-off-cpu')).values()),
    })
    assert.deepEqual([...blocked].sort(), [...foldedTotals(path('folded-blocked'))].sort())
    assert.deepEqual(
      meta.categories.map(({ name }) => name),
      ['Other', 'On CPU', 'Off CPU', 'Blocked'],
    )
    assert.ok(
      threads.some(({ markers, stringArray }) => markers.name.some((name) => stringArray[name] === 'stop-the-world')),
    )
  })

  it('for Perfetto have tracks without overlap, and on those of goroutines the time of each class', () => {
    const { traceEvents } = TraceEvents.parse(json('perfetto'))
    const tracks = new Map<string, { fromUs: number; toUs: number }[]>()
    const classes = new Map<string, number>()
    for (const event of traceEvents) {
      if (event.ph !== 'X') continue
      const key = `${event.pid} ${event.tid}`
      tracks.set(key, [...(tracks.get(key) ?? []), { fromUs: event.ts, toUs: event.ts + event.dur }])
      if (event.pid === 1) classes.set(event.name, (classes.get(event.name) ?? 0) + Math.round(event.dur * 1e3))
    }
    for (const [key, pieces] of tracks) {
      pieces.sort((a, b) => a.fromUs - b.fromUs)
      pieces.forEach(({ fromUs }, i) => assert.ok(i === 0 || fromUs >= pieces[i - 1]!.toUs - 1e-3, key))
    }
    const expected = new Map<string, number>()
    for (const row of tables['time_classes']!) {
      const name = String(row['class'])
      expected.set(name, (expected.get(name) ?? 0) + Number(row['ns']))
    }
    assert.deepEqual(new Map([...classes].sort()), new Map([...expected].sort()))
    const names = traceEvents.flatMap((event) => (event.ph === 'M' ? [event.args.name] : []))
    assert.ok(names.some((name) => /^main\.main \(goroutine 1\)$|\(goroutine 1\)$/.test(name)))
  })

  it('are refused in one sentence when they cannot be written, and leave nothing behind', async () => {
    const place = join(directory, 'place')
    mkdirSync(join(place, 'taken'), { recursive: true })
    const cases: [args: string[], says: RegExp][] = [
      [['--export', `folded=${join(place, 'nowhere', 'x')}`], /^dualtrace: cannot write .*nowhere\/x: ENOENT/],
      [
        ['--export', `speedscope=${join(place, 'fine')}`, '--export', `folded=${join(place, 'no', 'x')}`],
        /cannot write/,
      ],
      [['--export', `folded=${join(place, 'taken')}`], /^dualtrace: cannot write .*taken: /],
      [['--export', 'folded'], /^dualtrace: --export folded is not KIND=FILE\n$/],
      [['--export', 'svg=x'], /^dualtrace: --export svg=x: there is no kind svg, but folded, /],
    ]
    for (const [args, says] of cases) {
      const { code, stdout, stderr } = await runCli(['diagnose', 'test/captures/healthy', ...args])
      assert.deepEqual([code, stdout, stderr.trimEnd().split('\n').length], [2, '', 1], stderr)
      assert.match(stderr, says)
    }
    assert.deepEqual(readdirSync(place), ['taken'])
  })
})

describe('exported files, with the task at the root', () => {
  const directory = temporaryDirectory()

  it('hold below a type of task what its tasks waited and were off the CPU', async () => {
    const path = (kind: string) => join(directory, kind)
    const flags = ['folded-blocked', 'folded-off-cpu'].flatMap((kind) => ['--export', `${kind}=${path(kind)}`])
    const healthy = ['test/captures/healthy', '--by', 'task', '--json', path('result')]
    const { code, stderr } = await runCli(['diagnose', ...healthy, ...flags])
    assert.deepEqual([code, stderr], [0, ''])
    /** ns by root and leaf. */
    const sums = (kind: string) => {
      const byEnds: Record<string, number> = {}
      for (const [text, ns] of foldedTotals(path(kind))) {
        const ends = text.replace(/;.*;/, ';')
        byEnds[ends] = (byEnds[ends] ?? 0) + ns
      }
      return byEnds
    }
    const blocked = sums('folded-blocked')
    const offCpu = sums('folded-off-cpu')
    assert.equal(offCpu['order;[preempted]'], 7_557_254)
    // Each of these tasks is the work of one goroutine, so that their rows count the same.
    const result = DiagnoseResult.parse(JSON.parse(readFileSync(path('result'), 'utf8')))
    const tables: Record<string, Row[]> = result.tables
    const ofTasks = (column: string) => sum(tables['tasks']!.map((row) => Number(row[column])))
    for (const name of ['sync_wait', 'sched_wait', 'sched_wait_kernel', 'stw']) {
      assert.equal(ofTasks(`${name}_ns`), blocked[`order;[${name}]`], name)
    }
    assert.equal(ofTasks('cpu_stolen_ns'), offCpu['order;[preempted]'])
    assert.deepEqual(blocked, {
      'order;[sync_wait]': 10_958_848,
      'order;[sched_wait]': 3_096_997,
      'order;[sched_wait_kernel]': 557_531,
      'order;[stw]': 8320,
      '[no task];[gc_assist]': 461_376,
      '[no task];[net_wait]': 27_853_635_456,
      '[no task];[sched_wait]': 185_301_620,
      '[no task];[sched_wait_kernel]': 33_784_688,
      '[no task];[stw]': 3_384_448,
      '[no task];[sync_wait]': 21_026_255_616,
      '[no task];[unknown]': 656_718_684,
    })
  })
})

describe('exported files of a task worked out by hand', () => {
  const directory = temporaryDirectory()
  const path = (name: string) => join(directory, name)
  before(() => {
    writeFileSync(path('go.trace'), requestTrace())
    writeFileSync(path('perf.txt'), requestPerf())
  })
  /** What `diagnose` exports of it as one kind. @returns the file's path */
  const exported = async (kind: string, ...flags: string[]): Promise<string> => {
    const inputs = ['--trace', path('go.trace'), '--perf', path('perf.txt')]
    const { code, stderr } = await runCli(['diagnose', ...inputs, '--export', `${kind}=${path(kind)}`, ...flags])
    assert.deepEqual([code, stderr], [0, ''])
    return path(kind)
  }
  const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

  it('show the Firefox Profiler who waited, from when on and for how long', async () => {
    const { threads } = FirefoxProfile.parse(json(await exported('firefox')))
    assert.deepEqual(
      threads.map(({ name, isMainThread }) => [name, isMainThread]),
      [
        ['svc', true],
        ['goroutines blocked', false],
      ],
    )
    assert.deepEqual(
      samplesOf(threads[1]!).map(({ atMs, text, ms }) => [atMs, text, ms]),
      [
        [3, 'main.load;[sched_wait]', 2],
        [4, 'main.serve;runtime.chanrecv1;[sync_wait]', 76],
        [6, 'main.load;main.serve;runtime.chanrecv1;[net_wait]', 69],
        [75, 'main.load;main.serve;runtime.chanrecv1;[sched_wait]', 1],
        [80, 'main.serve;runtime.chanrecv1;[sched_wait]', 2],
      ],
    )
  })

  it('show the Firefox Profiler nothing but the wait, around it', async () => {
    const around = ['--around', 'network block > 50ms', '--margin', '0ms', '--goroutine', '2']
    const { threads } = FirefoxProfile.parse(json(await exported('firefox', ...around)))
    assert.deepEqual(
      threads.map(({ name }) => name),
      ['goroutines blocked'],
    )
    assert.deepEqual(
      samplesOf(threads[0]!).map(({ atMs, text, ms }) => [atMs, text, ms]),
      [[0, 'main.load;main.serve;runtime.chanrecv1;[net_wait]', 69]],
    )
  })

  it('tell Perfetto where goroutines waited, and where the thread left its CPU', async () => {
    const { traceEvents } = TraceEvents.parse(json(await exported('perfetto')))
    const pieces = traceEvents.flatMap((event) => (event.ph === 'X' ? [event] : []))
    const go = ['runtime.chanrecv1', 'main.serve']
    assert.deepEqual(
      pieces
        .filter(({ args }) => args?.stack !== undefined)
        .map(({ pid, tid, name, ts, dur, args }) => [pid, tid, name, ts, dur, args])
        .sort((a, b) => Number(a[3]) - Number(b[3])),
      [
        [1, 1, 'sync_wait', 4000, 76_000, { stack: go }],
        [1, 2, 'net_wait', 6000, 69_000, { stack: go }],
        [
          3,
          100,
          'asleep',
          7000,
          67_000,
          { stack: ['__schedule', 'do_epoll_wait', 'runtime.netpoll', 'runtime.findRunnable'] },
        ],
        [1, 2, 'sched_wait', 75_000, 1000, { stack: go }],
        [1, 1, 'sched_wait', 80_000, 2000, { stack: go }],
      ],
    )
    assert.deepEqual(
      pieces.filter(({ pid }) => pid === 2).map(({ args }) => args),
      [{ goroutine: 1 }, { goroutine: 2 }, { goroutine: 2 }, { goroutine: 1 }],
    )
  })

  it('have on demand the task at the root, also of a part that it began before', async () => {
    const lines = async (...flags: string[]) => {
      return [...foldedTotals(await exported('folded-blocked', '--by', 'task', ...flags))].sort()
    }
    const at = 'request;main.serve;runtime.chanrecv1'
    assert.deepEqual(await lines(), [
      ['request;[sched_wait]', 2e6],
      [`${at};[net_wait]`, 69e6],
      [`${at};[sched_wait]`, 3e6],
      [`${at};[sync_wait]`, 76e6],
    ])
    assert.deepEqual(await lines('--from', '+10ms', '--to', '+20ms'), [
      [`${at};[net_wait]`, 10e6],
      [`${at};[sync_wait]`, 10e6],
    ])
    assert.deepEqual(await lines('--task-id', '7', '--goroutine', '2'), [
      ['request;[sched_wait]', 2e6],
      [`${at};[net_wait]`, 69e6],
      [`${at};[sched_wait]`, 1e6],
    ])
    const { profiles, shared } = z
      .object({
        profiles: z.array(z.object({ samples: z.array(index), weights: numbers })),
        shared: z.object({ frames: z.array(z.object({ name: z.string() })) }),
      })
      .parse(json(await exported('speedscope', '--by', 'task')))
    const root = (stack: number[]) => shared.frames[stack[0]!]!.name
    assert.deepEqual(
      profiles.map(({ samples, weights }) => [new Set(samples.map(root)), sum(weights)]),
      [
        [new Set(['endless', '[no task]']), 2],
        // Nobody's: both goroutines wait while the thread sleeps.
        [new Set(['[no task]']), 67e6],
        [new Set(['request']), 150e6],
      ],
    )
  })

  it('are refused a root where no stack has one, or only a Go trace tells it', async () => {
    const cases: [args: string[], says: RegExp][] = [
      [
        ['--trace', path('go.trace'), '--by', 'task'],
        /^dualtrace: --by belongs to --export of folded, folded-off-cpu, /,
      ],
      [
        ['--trace', path('go.trace'), '--by', 'task', '--export', `perfetto=${path('x')}`],
        /--by belongs to --export of/,
      ],
      [['--perf', path('perf.txt'), '--by', 'task', '--export', `folded=${path('x')}`], /--by task needs the Go trace/],
    ]
    for (const [args, says] of cases) {
      const { code, stdout, stderr } = await runCli(['diagnose', ...args])
      assert.deepEqual([code, stdout, stderr.trimEnd().split('\n').length], [2, '', 1], stderr)
      assert.match(stderr, says)
    }
  })
})
