import assert from 'node:assert/strict'
import picocolors from 'picocolors'
import { RowTotals } from '../../src/report/rowTotals.js'
import type { Value } from '../../src/measures/table.js'
import { timeClasses } from '../../src/timeline/classes.js'

const plain = picocolors.createColors(false)

function rowOf(values: Readonly<Record<string, Value>>) {
  return { ts: '0', source: 's', service: 's', host: 'h', ...values }
}

function task(type: string, id: number, logId: string | null, ns: Readonly<Record<string, number>>) {
  const classes = Object.fromEntries([...timeClasses, 'unattended'].map((name) => [`${name}_ns`, ns[name] ?? 0]))
  const durationNs = Object.values(ns).reduce((sum, each) => sum + each, 0)
  return { table: 'tasks', row: rowOf({ type, task: id, log_id: logId, duration_ns: durationNs, ...classes }) }
}

function call(name: string, count: number, errors: number, cpuNs: number, blockedNs: number, maxNs: number) {
  const sums = { total_ns: cpuNs + blockedNs, cpu_ns: cpuNs, blocked_ns: blockedNs, duration_max_ns: maxNs }
  return { table: 'syscalls', row: rowOf({ name, count, errors, ...sums }) }
}

function textOf(...rows: readonly Parameters<RowTotals['add']>[0][]): string {
  const totals = new RowTotals()
  for (const row of rows) totals.add(row)
  return totals
    .sections(plain)
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n')
}

describe('totals of rows for a terminal', () => {
  it('say of each type of task how many there were, how long, and where the time went', () => {
    const text = textOf(
      task('request', 1, 'req-1', { on_cpu: 1e6, net_wait: 3e6 }),
      task('request', 2, 'req-2', { on_cpu: 1e6, net_wait: 15e6 }),
      task('flush', 3, null, { sleep: 1e6 }),
    )
    assert.match(text, /request +2 × +p50 +4\.00 ms +p99 +16\.0 ms +max +16\.0 ms +net_wait 90\.0 %, on_cpu 10\.0 %/)
    assert.match(text, /flush +1 × +p50 +1\.00 ms/)
    assert.match(text, /--task-id "req-2"$/m)
  })

  it('add up the seconds of each system call, the one that took longest first', () => {
    const text = textOf(
      call('read', 10, 0, 1e3, 2e3, 900),
      call('futex', 5, 2, 1e6, 4e6, 3e6),
      call('read', 5, 1, 1e3, 0, 950),
    )
    const [futex, read] = text.split('\n').slice(1) as [string, string]
    assert.match(futex, /futex +5 × +on CPU +1\.00 ms +blocked +4\.00 ms +max +3\.00 ms, 2 errors/)
    assert.match(read, /read +15 × +on CPU +2\.00 µs +blocked +2\.00 µs +max +950 ns, 1 error$/)
  })

  it('count why goroutines ran late after a system call', () => {
    const late = (verdict: string) => ({ table: 'syscall_wakeups', row: rowOf({ verdict }) })
    const text = textOf(call('read', 1, 0, 1, 1, 2), late('no_p_free'), late('kernel_error'), late('no_p_free'))
    assert.match(text, /no_p_free 2, kernel_error 1/)
  })

  it('say nothing where there was nothing', () => {
    assert.equal(textOf(), '')
  })
})
