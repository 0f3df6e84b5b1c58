import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { leafNames, type StackKind, type StackRoot, StackTime } from '../../src/measures/stackTime.js'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import { foldWithInferno, installInferno } from '../support/inferno.js'
import { handWorkedPerf, handWorkedTrace } from '../support/handWorked.js'
import { requireCargo } from '../support/requirements.js'
import { runTimeline } from '../support/timeline.js'

/** Sums of everything told, by `key`. */
function sumsBy(
  trace: Uint8Array,
  perf: Uint8Array,
  kind: StackKind,
  key: (text: string, tid: number) => string | number,
  by?: StackRoot,
) {
  const sums = new Map<string | number, number>()
  const time = new StackTime(
    {
      stackTime(each, root, frames, leaf, _fromNs, _toNs, ns, tid) {
        if (each !== kind) return
        const text = [root, frames, leafNames[kind][leaf]!].filter((part) => part !== '').join(';')
        sums.set(key(text, tid), (sums.get(key(text, tid)) ?? 0) + ns)
      },
    },
    by,
  )
  return { sums, timeline: runTimeline(trace, perf, time) }
}

const leafOf = (text: string) => text.slice(text.lastIndexOf(';') + 1)

describe('time by stack, on a capture worked out by hand', () => {
  it('gives what a goroutine waits for the stack it stopped with, until it runs again', () => {
    const { sums } = sumsBy(handWorkedTrace(), handWorkedPerf(), 'blocked', (text) => text)
    const at = 'main.serve;net.(*conn).Read;internal/poll.runtime_pollWait'
    assert.deepEqual(Object.fromEntries(sums), {
      [`${at};[net_wait]`]: 100e3,
      [`${at};[sched_wait]`]: 57e3,
      [`${at};[sched_wait_kernel]`]: 20e3,
      [`${at};[stw]`]: 30e3,
      [`${at};[sleep]`]: 80e3,
      [`${at};[sync_wait]`]: 190e3,
      [`${at};[unknown]`]: 8e3,
    })
  })

  it('gives the time off CPU its reason', () => {
    const { sums } = sumsBy(handWorkedTrace(), handWorkedPerf(), 'off_cpu', (text, tid) => `${tid} ${leafOf(text)}`)
    assert.deepEqual(Object.fromEntries(sums), {
      '100 [preempted]': 50e3,
      '100 [disk]': 30e3,
      '100 [asleep]': (10 + 80 + 125 + 81 + 92) * 1e3,
      '101 [preempted]': 20e3,
      '101 [asleep]': 20e3,
    })
  })

  it('puts the class at the root on demand', () => {
    const { sums } = sumsBy(
      handWorkedTrace(),
      handWorkedPerf(),
      'off_cpu',
      (text, tid) => `${tid} ${text.split(';')[0]!}`,
      'state',
    )
    assert.equal(sums.get('100 cpu_stolen'), 50e3)
    assert.equal(sums.get('100 fault_io'), 30e3)
    assert.equal(sums.get('100 runtime_futex'), 10e3)
    assert.equal(sums.get('100 syscall_blocked'), 80e3)
    assert.equal(sums.get('101 stw'), 20e3)
  })
})

for (const name of ['stw-netpoll', 'healthy']) {
  describe(`time by stack, on the capture ${name}`, () => {
    const directory = `test/captures/${name}`
    const trace = readFileSync(`${directory}/go.trace`)
    const perf = gunzipSync(readFileSync(`${directory}/perf.script.gz`))

    it('counts of each wait what its class counts', async () => {
      const sums = new Map<string, number>()
      const time = new StackTime({
        stackTime(kind, _root, _frames, leaf, _fromNs, _toNs, ns) {
          const name = leafNames[kind][leaf]!
          if (kind === 'blocked') sums.set(name, (sums.get(name) ?? 0) + ns)
        },
      })
      const classes = new Map<string, number>()
      for (const { table, row } of (await analyzeCapture(directory, () => ({ listeners: [time] }))).rows) {
        if (table !== 'time_classes') continue
        const leaf = `[${String(row['class'])}]`
        classes.set(leaf, (classes.get(leaf) ?? 0) + Number(row['ns']))
      }
      for (const leaf of ['[net_wait]', '[sync_wait]', '[sleep]', '[sched_wait]', '[sched_wait_kernel]']) {
        assert.equal(sums.get(leaf), classes.get(leaf), leaf)
      }
      assert.ok(sums.get('[net_wait]')! > 1e9)
    })

    it('counts for each thread the time off CPU that the timeline counts', () => {
      const { sums, timeline } = sumsBy(trace, perf, 'off_cpu', (_text, tid) => tid)
      const expected = new Map<number, number>()
      for (const { tid, totals } of timeline.state.threads.values()) {
        const offNs = totals.preemptedNs + totals.asleepNs + totals.diskNs + totals.offNs
        if (offNs > 0) expected.set(tid, offNs)
      }
      assert.ok(expected.size >= 5)
      assert.deepEqual(new Map([...sums].sort()), new Map([...expected].sort()))
    })

    it('counts on the CPU what inferno folds, sample by sample', function () {
      this.timeout(600_000)
      requireCargo(this)
      const samples = perf.toString().match(/^\S.* \d+ cpu-clock\S*: *\n(?:\s.*\S.*\n)+/gm)!
      const theirs = new Map<string, number>()
      for (const line of foldWithInferno(installInferno(), `${samples.join('\n')}\n`)) {
        const at = line.lastIndexOf(' ')
        const stack = asTheTraceNamesIt(line.slice(line.indexOf(';') + 1, at))
        theirs.set(stack, (theirs.get(stack) ?? 0) + Number(line.slice(at + 1)))
      }
      const withoutRoot = (line: string) => line.slice(line.indexOf(';') + 1)
      const { sums } = sumsBy(trace, perf, 'on_cpu', withoutRoot, 'thread')
      assert.ok(theirs.size > 10)
      assert.deepEqual(new Map([...sums].sort()), new Map([...theirs].sort()))
    })
  })
}

/** The differences between the linker's names and the runtime's, without what a start function returns to. */
function asTheTraceNamesIt(stack: string): string {
  return stack
    .replaceAll(/\.abi0(?=;|$)/g, '')
    .replaceAll(/(?<=[\w)])\[.*?\](?=[;.]|$)/g, '[...]')
    .replace(/^runtime\.goexit;(?:[^;]+\.gowrap\d+;)?/, '')
}
