import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { perfScriptArgs } from '../../src/perf/index.js'
import { temporaryDirectory } from '../gotrace/support/goTool.js'
import { analyzedRows, rowsOf } from '../measures/support.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { buildWorkload, startWorkload } from '../support/workloads.js'

interface Calls {
  count: number
  errors: number
  totalNs: number
  /** ns by which `totalNs` may be off. */
  errorNs: number
  unpaired: number
}

const maxBuffer = 1 << 30
/** They return twice, in the new thread too: perf trace counts that as a call of its own, with no time. */
const makesThread = /^(clone3?|v?fork)$/

function add(sums: Map<string, Calls>, name: string, more: Calls): void {
  const sum = sums.get(name) ?? { count: 0, errors: 0, totalNs: 0, errorNs: 0, unpaired: 0 }
  sums.set(name, {
    count: sum.count + more.count,
    errors: sum.errors + more.errors,
    totalNs: sum.totalNs + more.totalNs,
    errorNs: sum.errorNs + more.errorNs,
    unpaired: sum.unpaired + more.unpaired,
  })
}

/** The tables of `perf trace -s`, one a thread: name, calls, errors, total in ms with three decimals, … */
function theirCalls(data: string): Map<string, Calls> {
  const sums = new Map<string, Calls>()
  // The summary goes to stderr or stdout, by version.
  const text = execFileSync('sh', ['-c', `perf trace -s -i '${data}' 2>&1`], { encoding: 'utf8', maxBuffer })
  for (const line of text.split('\n')) {
    const match = /^\s+([a-z]\w+)\s+(\d+)\s+(\d+)\s+(\d+\.\d{3})\s+\d+\.\d{3}\s/.exec(line)
    if (match === null) continue
    const [, name, count, errors, total] = match
    const totalNs = Math.round(Number(total) * 1e6)
    add(sums, name!, { count: Number(count), errors: Number(errors), totalNs, errorNs: 1000, unpaired: 0 })
  }
  return sums
}

function ourCalls(data: string): Map<string, Calls> {
  const perf = execFileSync('perf', perfScriptArgs(data), { maxBuffer, stdio: ['ignore', 'pipe', 'ignore'] })
  const sums = new Map<string, Calls>()
  for (const row of rowsOf(analyzedRows({ perf }), 'syscalls')) {
    const [count, errors, totalNs, unpaired] = ['count', 'errors', 'total_ns', 'unpaired'].map((key) =>
      Number(row[key]),
    )
    add(sums, String(row['name']), {
      count: count!,
      errors: errors!,
      totalNs: totalNs!,
      errorNs: 0,
      unpaired: unpaired!,
    })
  }
  return sums
}

describe('system calls, against perf trace -s', function () {
  const directory = temporaryDirectory()

  before(function () {
    requireGo(this)
    requirePerf(this)
  })

  it('are as many, with as many errors and as much time, for every name', async () => {
    const data = join(directory, 'syscalls.data')
    const workload = await startWorkload(buildWorkload('rpc'), ['-duration', '5m'])
    try {
      const events = ['-e', 'raw_syscalls:sys_enter', '-e', 'raw_syscalls:sys_exit']
      const args = ['record', '-q', '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', '16M', ...events, '-o', data]
      execFileSync('perf', [...args, '-p', String(workload.pid), '--', 'sleep', '1'], { stdio: 'ignore' })
    } finally {
      await workload.stop()
    }
    const theirs = theirCalls(data)
    const ours = ourCalls(data)
    assert.ok(theirs.size >= 4 && [...theirs.values()].reduce((sum, { count }) => sum + count, 0) > 1000)
    for (const [name, their] of theirs) {
      const our = ours.get(name)
      assert.ok(our !== undefined, `${name} is missing`)
      // perf trace counts the return of a call that was under way when perf began, with no time.
      const more = their.count - our.count
      const mostMore = our.unpaired + (makesThread.test(name) ? our.count : 0)
      assert.ok(more >= 0 && more <= mostMore, `${name}: ${their.count} calls, ours ${our.count} + ${our.unpaired}`)
      const moreErrors = their.errors - our.errors
      assert.ok(moreErrors >= 0 && moreErrors <= more, `${name}: ${their.errors} errors, ours ${our.errors}`)
      const differenceNs = Math.abs(their.totalNs - our.totalNs)
      assert.ok(differenceNs <= their.errorNs, `${name}: ${their.totalNs} ns, ours ${our.totalNs}`)
    }
    const unknown = [...ours.keys()].filter((name) => !theirs.has(name) && ours.get(name)!.count > 0)
    assert.deepEqual(unknown, [])
  })
})
