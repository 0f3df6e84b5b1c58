import assert from 'node:assert/strict'
import { UserError } from '../../src/errors.js'
import { chosen, matchRow, parseCondition, PieceFinder, thresholdsFor } from '../../src/measures/condition.js'
import { tables } from '../../src/measures/tables.js'
import { ClassId } from '../../src/timeline/classes.js'

const row = (table: string, values: Record<string, string | number | boolean | null>) => {
  return { table, row: { ts: '1000000000', source: 's', service: 'v', host: 'h', ...values } }
}

describe('conditions', () => {
  it('name pieces by class or in words, with a limit in any unit', () => {
    for (const text of ['net_wait > 50ms', 'network block > 50ms', 'net wait > 0.05s', '  network  wait>50000us ']) {
      const { subject, limitNs, operator, longest } = parseCondition(text)
      assert.ok(subject.kind === 'piece' && subject.classes.has(ClassId.net_wait), text)
      assert.deepEqual([limitNs, operator, longest], [50e6, '>', false], text)
    }
  })

  it('name rows by table and column', () => {
    const pause = row('gc_pauses', { is_gc: true, reason: 'GC mark termination', duration_ns: 12e6, stopping_ns: 2e6 })
    const other = row('gc_pauses', { is_gc: false, reason: 'start trace', duration_ns: 12e6, stopping_ns: 2e6 })
    const matches = (text: string, of: typeof pause) => matchRow(parseCondition(text), of) !== undefined
    assert.deepEqual(matchRow(parseCondition('gc pause > 10ms'), pause), {
      fromWallNs: 1_000_000_000n,
      toWallNs: 1_012_000_000n,
      ns: 12e6,
    })
    assert.ok(!matches('gc pause > 12ms', pause) && matches('gc pause >= 12ms', pause))
    assert.ok(!matches('gc pause > 10ms', other) && matches('stop-the-world > 10ms', other))
    assert.ok(matches('gc_pauses.stopping_ns < 3ms', other) && !matches('gc_pauses.stopping_ns < 2ms', other))
    assert.ok(!matches('gc pause > 10ms', row('regions', { duration_ns: 99e6, is_gc: true })))
  })

  it('name the type of a task or region', () => {
    const matches = (text: string, type: string) =>
      matchRow(parseCondition(text), row('tasks', { type, duration_ns: 5e6 })) !== undefined
    assert.ok(matches('task > 1ms', 'a') && matches('task handle request > 1ms', 'handle request'))
    assert.ok(!matches('task handle request > 1ms', 'a'))
  })

  it('take what a row’s time is the end of', () => {
    const spike = row('netpoll_spikes', { total_ns: 30e6 })
    assert.deepEqual(matchRow(parseCondition('netpoll delay > 20ms'), spike), {
      fromWallNs: 970_000_000n,
      toWallNs: 1_000_000_000n,
      ns: 30e6,
    })
    const chain = row('wake_chains', { waited_ns: 154e6 })
    assert.equal(matchRow(parseCondition('longest wake_chains.waited_ns'), chain)!.fromWallNs, 846_000_000n)
  })

  it('take all of what a row is about, whichever of its columns is asked for', () => {
    const ofPause = row('gc_pauses', { duration_ns: 12e6, stopping_ns: 2e6 })
    const span = { fromWallNs: 1_000_000_000n, toWallNs: 1_012_000_000n }
    assert.deepEqual(matchRow(parseCondition('gc_pauses.stopping_ns > 1ms'), ofPause), { ...span, ns: 2e6 })
    const part = row('netpoll_spikes', { poll_to_ready_ns: 20e6, total_ns: 30e6 })
    const before = { fromWallNs: 970_000_000n, toWallNs: 1_000_000_000n, ns: 20e6 }
    assert.deepEqual(matchRow(parseCondition('netpoll_spikes.poll_to_ready_ns > 1ms'), part), before)
  })

  it('take the whole window that a row sums up, and what the longest thing in it had begun with', () => {
    const second = { fromWallNs: 1_000_000_000n, toWallNs: 2_000_000_000n }
    const sum = row('syscalls', { total_ns: 7e9, duration_max_ns: 553e6 })
    assert.deepEqual(matchRow(parseCondition('syscalls.total_ns > 1s'), sum), { ...second, ns: 7e9 })
    const longest = { fromWallNs: 447_000_000n, toWallNs: 2_000_000_000n, ns: 553e6 }
    assert.deepEqual(matchRow(parseCondition('longest syscalls.duration_max_ns'), sum), longest)
    const tenSeconds = matchRow(parseCondition('samples.ns > 1s'), row('samples', { ns: 2e9 }))!
    assert.equal(tenSeconds.toWallNs - tenSeconds.fromWallNs, 10_000_000_000n)
  })

  it('ask for rows below the thresholds of their table, and of no other', () => {
    const own = { netpollSpikeNs: 3e6, gcShare: 0.1 }
    assert.deepEqual(thresholdsFor(parseCondition('syscall_wakeups.delta_ns > 5ms'), own), {
      ...own,
      syscallWakeupNs: 5e6,
    })
    assert.deepEqual(thresholdsFor(parseCondition('netpoll delay > 5ms'), own), own)
    assert.deepEqual(thresholdsFor(parseCondition('longest wake_chains.waited_ns')), { wakeChainNs: 0 })
    assert.deepEqual(thresholdsFor(parseCondition('network block > 5ms'), own), own)
  })

  it('know what every table’s rows are about', () => {
    for (const { name, event, columns, threshold } of tables) {
      assert.ok(event === undefined || columns.some((column) => column.name === event.length), name)
      assert.ok(threshold === undefined || event !== undefined, name)
    }
  })

  it('choose the longest when asked', () => {
    const moments = [5n, 9n, 7n].map((length, i) => ({
      fromWallNs: BigInt(i),
      toWallNs: BigInt(i) + 1n,
      ns: Number(length),
    }))
    assert.deepEqual(chosen(parseCondition('longest gc pause'), moments), [moments[1]])
    assert.equal(chosen(parseCondition('gc pause > 1ms'), moments).length, 3)
  })

  it('refuse what they do not understand, and say what there is', () => {
    const cases: [text: string, says: RegExp][] = [
      ['', /is no condition: write SUBJECT > DURATION/],
      ['bogus > 1ms', /is no condition: .*"gc pause"/],
      ['gc_pauses.reason > 1ms', /is no condition/],
      ['net_wait', /has no limit: write it like "net_wait > 50ms", or "longest net_wait"/],
      ['net_wait > 5 parsecs', /has no duration behind >/],
      ['net_wait > 1.2.3ms', /has no duration behind >/],
    ]
    for (const [text, says] of cases) {
      assert.throws(
        () => parseCondition(text),
        (error) => error instanceof UserError && says.test(error.message),
        text,
      )
    }
  })

  it('know only tables and columns that there are', () => {
    for (const text of ['gc pause > 1ms', 'netpoll delay > 1ms', 'task > 1ms', 'region > 1ms']) {
      const { subject } = parseCondition(text)
      assert.ok(subject.kind === 'row')
      const table = tables.find(({ name }) => name === subject.table)
      assert.ok(
        table?.columns.some(({ name }) => name === subject.column),
        text,
      )
    }
  })

  it('find one piece where something else than its end cut it', () => {
    const found: number[][] = []
    const finder = new PieceFinder(parseCondition('sched wait >= 20ns'), (fromNs, toNs) => found.push([fromNs, toNs]))
    const tell = (goid: number, fromNs: number, toNs: number, classId: number) =>
      finder.segment({ goid }, fromNs, toNs, classId)
    tell(1, 0, 10, ClassId.sched_wait)
    tell(2, 0, 19, ClassId.sched_wait)
    tell(1, 10, 12, ClassId.sched_wait_kernel)
    tell(1, 12, 20, ClassId.sched_wait)
    tell(1, 20, 99, ClassId.on_cpu)
    tell(2, 19, 50, ClassId.on_cpu)
    tell(3, 0, 30, ClassId.net_wait)
    tell(4, 5, 40, ClassId.sched_wait)
    assert.deepEqual(found, [[0, 20]])
    finder.end()
    assert.deepEqual(found, [
      [0, 20],
      [5, 40],
    ])
  })
})
