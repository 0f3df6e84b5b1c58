import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { perfScriptArgs } from '../../src/perf/index.js'
import { syscallName } from '../../src/perf/syscallNames.js'
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
}

const maxBuffer = 1 << 30

const none: Calls = { count: 0, errors: 0, totalNs: 0, errorNs: 0 }

function add(sums: Map<string, Calls>, name: string, more: Calls): void {
  const sum = sums.get(name) ?? { count: 0, errors: 0, totalNs: 0, errorNs: 0 }
  sums.set(name, {
    count: sum.count + more.count,
    errors: sum.errors + more.errors,
    totalNs: sum.totalNs + more.totalNs,
    errorNs: sum.errorNs + more.errorNs,
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
    add(sums, name!, { count: Number(count), errors: Number(errors), totalNs, errorNs: 1000 })
  }
  return sums
}

/**
 * Returns whose entry was not recorded, by name: of calls that were under way when perf began, of others when perf turns its events on and off one by one, and
 * in a new thread the second return of the call that made it. perf trace counts each as a call that lasted since its thread last entered any, if it ever did.
 */
function callsWithoutEntry(data: string): Map<string, Calls> {
  const sums = new Map<string, Calls>()
  const fields = ['--ns', '-F', 'tid,time,event,trace']
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const text = execFileSync('perf', ['script', ...fields, '-i', data], {
    encoding: 'utf8',
    maxBuffer,
    stdio: [...stdio],
  })
  const threads = new Map<string, { enteredNs: number; within: string }>()
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\.(\d{9}):\s+raw_syscalls:sys_(enter|exit): NR (\d+) (?:= (-?\d+))?/.exec(line)
    if (match === null) continue
    const [, tid, seconds, ns, event, number, value] = match
    // Since the boot: exact as a number.
    const atNs = Number(seconds) * 1e9 + Number(ns)
    const thread = threads.get(tid!)
    if (event === 'enter') {
      threads.set(tid!, { enteredNs: atNs, within: number! })
      continue
    }
    if (thread?.within !== number) {
      const totalNs = thread === undefined ? 0 : atNs - thread.enteredNs
      const call = { count: 1, errors: Number(value) < 0 ? 1 : 0, totalNs, errorNs: 0 }
      add(sums, syscallName('x86_64', Number(number)), call)
    }
    if (thread !== undefined) thread.within = ''
  }
  return sums
}

function ourCalls(data: string): Map<string, Calls> {
  const perf = execFileSync('perf', perfScriptArgs(data), { maxBuffer, stdio: ['ignore', 'pipe', 'ignore'] })
  const sums = new Map<string, Calls>()
  for (const row of rowsOf(analyzedRows({ perf }), 'syscalls')) {
    const [count, errors, totalNs] = ['count', 'errors', 'total_ns'].map((key) => Number(row[key]))
    add(sums, String(row['name']), {
      count: count!,
      errors: errors!,
      totalNs: totalNs!,
      errorNs: 0,
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

  // Of read and epoll_pwait, by their numbers on x86-64, no entries are recorded.
  const recordings: [what: string, filter: string[]][] = [
    ['are as many, with as many errors and as much time, for every name', []],
    ['are those that returned and were entered, where entries are missing', ['--filter', 'id != 0 && id != 281']],
  ]
  for (const [what, filter] of recordings) {
    it(what, async () => {
      const data = join(directory, `${filter.length}.data`)
      const workload = await startWorkload(buildWorkload('rpc'), ['-duration', '5m'])
      try {
        const events = ['-e', 'raw_syscalls:sys_enter', ...filter, '-e', 'raw_syscalls:sys_exit']
        const args = ['record', '-q', '-k', 'CLOCK_MONOTONIC', '--sample-cpu', '-m', '16M', ...events, '-o', data]
        execFileSync('perf', [...args, '-p', String(workload.pid), '--', 'sleep', '1'], { stdio: 'ignore' })
      } finally {
        await workload.stop()
      }
      const theirs = theirCalls(data)
      const ours = ourCalls(data)
      assert.ok(theirs.size >= 4 && [...theirs.values()].reduce((sum, { count }) => sum + count, 0) > 1000)
      const withoutEntry = callsWithoutEntry(data)
      assert.ok(filter.length === 0 || withoutEntry.get('read')!.count > 100)
      for (const [name, their] of theirs) {
        const our = ours.get(name)
        const more = withoutEntry.get(name) ?? none
        assert.ok(our !== undefined || more.count === their.count, `${name} is missing`)
        const { count, errors, totalNs } = our ?? none
        assert.deepEqual([count + more.count, errors + more.errors], [their.count, their.errors], name)
        const differenceNs = Math.abs(totalNs + more.totalNs - their.totalNs)
        assert.ok(differenceNs <= their.errorNs, `${name}: ${their.totalNs} ns, ours ${totalNs} + ${more.totalNs}`)
      }
      const unknown = [...ours.keys()].filter((name) => !theirs.has(name) && ours.get(name)!.count > 0)
      assert.deepEqual(unknown, [])
    })
  }
})
