import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ev } from '../../src/gotrace/index.js'
import type { Row } from '../../src/measures/table.js'
import { goToolParsed } from '../gotrace/support/goTool.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { requireGo } from '../support/requirements.js'
import { analyzedRows, rowsOf } from './support.js'

const waits = ['net_wait', 'sync_wait', 'sleep', 'gc_wait', 'system_wait', 'unknown_wait'] as const

/** Goroutines by state at the end of a second, created and ended in it. */
type Counts = Record<'alive' | 'created' | 'ended' | 'running' | 'runnable' | 'syscall' | 'waiting', number>

function countsOf(row: Row): Counts {
  const n = (name: string) => row[name] as number
  const waiting = waits.reduce((sum, name) => sum + n(name), 0)
  const [running, runnable, syscall] = [n('running'), n('runnable'), n('syscall')]
  return { alive: n('alive'), created: n('created'), ended: n('ended'), running, runnable, syscall, waiting }
}

const transition = /StateTransition Time=(\d+) GoID=(\d+) (\w+)->(\w+)/

/** The same counts from the lines of `go tool trace -d=parsed`, by wall-clock second as decimal ns. */
function expectedCounts(parsed: string): Map<string, Counts> {
  const sync = /Mono=(\d+) Wall=(\S+)/.exec(parsed)
  // Without a snapshot rows count from boot.
  const originNs = sync === null ? 0n : wallNsOf(sync[2]!) - BigInt(sync[1]!)
  const moves = [...parsed.split('\n')].flatMap((line) => {
    const found = transition.exec(line)
    if (found === null) return []
    return [{ wallNs: BigInt(found[1]!) + originNs, goid: found[2]!, from: found[3]!, to: found[4]! }]
  })
  const states = new Map<string, string>()
  // A goroutine that the trace lists later has been in that state since the beginning.
  for (const { goid, from, to } of moves) if (from === 'Undetermined') states.set(goid, to)
  const seconds = new Map<string, Counts>()
  let startNs = (moves[0]!.wallNs / 1_000_000_000n) * 1_000_000_000n
  let created = 0
  let ended = 0
  const close = () => {
    const all = [...states.values()]
    const of = (name: string) => all.filter((state) => state === name).length
    const [running, runnable, syscall, waiting] = [of('Running'), of('Runnable'), of('Syscall'), of('Waiting')]
    seconds.set(startNs.toString(), { alive: all.length, created, ended, running, runnable, syscall, waiting })
    created = 0
    ended = 0
  }
  for (const { wallNs, goid, from, to } of moves) {
    for (; wallNs >= startNs + 1_000_000_000n; startNs += 1_000_000_000n) close()
    if (from === 'Undetermined' || from === to) continue
    if (from === 'NotExist') created++
    if (to === 'NotExist') ended++
    if (to === 'NotExist') states.delete(goid)
    else states.set(goid, to)
  }
  close()
  return seconds
}

/** Ns since the epoch of an RFC 3339 time with up to nine digits. */
function wallNsOf(text: string): bigint {
  const [, whole, fraction = '', zone] = /^([^.]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text)!
  return BigInt(Date.parse(`${whole!}${zone!}`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

describe('goroutines', () => {
  describe('counted like go tool trace’s events', function () {
    before(function () {
      requireGo(this)
    })
    for (const name of ['healthy/go.trace', 'stw-netpoll/go.trace', 'gotrace/go1.22.trace', 'gotrace/go1.26.trace']) {
      it(`by state at the end of every second but the last, created and ended (${name})`, () => {
        const path = `test/captures/${name}`
        const rows = rowsOf(analyzedRows({ gotrace: readFileSync(path) }), 'goroutines')
        const expected = expectedCounts(goToolParsed(path))
        assert.ok(rows.length > 2)
        assert.deepEqual(
          [...expected.keys()],
          rows.map(({ ts }) => ts),
        )
        for (const row of rows.slice(0, -1)) assert.deepEqual(countsOf(row), expected.get(row.ts), row.ts)
        // At the end of the trace the last event counts in one way here and in the other there.
        const last = rows.at(-1)!
        const end = expected.get(last.ts)!
        assert.deepEqual([last['created'], last['ended'], last['alive']], [end.created, end.ended, end.alive])
      })
    }
  })

  it('are in sum the same by the function they were started with', () => {
    const rows = analyzedRows({ gotrace: readFileSync('test/captures/gotrace/go1.26.trace') })
    const starts = rowsOf(rows, 'goroutine_starts')
    for (const row of rowsOf(rows, 'goroutines')) {
      const own = starts.filter(({ ts }) => ts === row.ts)
      for (const name of ['created', 'ended', 'alive']) {
        assert.equal(
          own.reduce((sum, each) => sum + (each[name] as number), 0),
          row[name],
          `${name} at ${row.ts}`,
        )
      }
    }
  })

  /** Events of goroutine 1 on thread 100 from 3 µs on. */
  function startsOf(events: (at: (us: number, type: number, ...args: number[]) => void, w: GoTraceWriter) => void) {
    const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
    const at = (us: number, type: number, ...args: number[]) => w.event(100, us * 1e3, type, ...args)
    at(1, Ev.ProcStatus, 0, 1)
    at(2, Ev.GoStatus, 1, 100, 2)
    events(at, w)
    return rowsOf(analyzedRows({ gotrace: w.bytes() }), 'goroutine_starts')
  }

  it('have a row for the twenty functions that started most, and one for all others', () => {
    const rows = startsOf((at, w) => {
      let us = 3
      let goid = 2
      // Function 1 starts one goroutine, function 25 starts 25.
      for (let func = 1; func <= 25; func++) {
        for (let n = 0; n < func; n++) at(us++, Ev.GoCreate, goid++, w.stack(`main.f${func}`), w.stack('main.main'))
      }
      at(us, Ev.GoStop, w.string('preempted'), 0)
    })
    assert.equal(rows.length, 21)
    assert.deepEqual(
      rows.slice(0, 2).map((row) => [row['function'], row['created'], row['ended'], row['alive']]),
      [
        ['main.f25', 25, 0, 25],
        ['main.f24', 24, 0, 24],
      ],
    )
    const rest = rows.at(-1)!
    // Functions 1 to 5, and goroutine 1, of which no start is known.
    assert.deepEqual(
      [rest['function'], rest['created_by'], rest['created'], rest['alive']],
      ['(other)', '(other)', 15, 16],
    )
  })

  it('say who created them: the innermost function of the stack that is not the runtime’s', () => {
    const rows = startsOf((at, w) => {
      const worker = w.stack('main.worker')
      at(3, Ev.GoCreate, 2, worker, w.stack('main.(*Pool).Go', 'main.leak', 'runtime.main'))
      at(4, Ev.GoCreate, 3, worker, w.stack('main.(*Pool).Go', 'main.serve', 'runtime.main'))
      at(5, Ev.GoCreate, 4, worker, w.stack('main.serve', 'runtime.main'))
      at(6, Ev.GoCreateBlocked, 5, w.stack('main.seq'), w.stack('runtime.newcoro', 'iter.Pull', 'main.serve'))
      at(7, Ev.GoCreate, 6, w.stack('runtime.bgsweep'), w.stack('runtime.gcenable', 'runtime.main'))
      at(8, Ev.GoCreate, 7, worker, 0)
      at(9, Ev.GoStop, w.string('preempted'), 0)
      at(10, Ev.GoStart, 4, 1)
      at(11, Ev.GoDestroy)
      // Whoever ends with the trace would count as alive there.
      at(12, Ev.GoStart, 3, 1)
    })
    assert.deepEqual(
      rows.map((row) => [row['function'], row['created_by'], row['created'], row['ended'], row['alive']]),
      [
        ['main.worker', 'main.(*Pool).Go', 2, 0, 2],
        ['main.seq', 'iter.Pull', 1, 0, 1],
        ['main.worker', 'unknown', 1, 0, 1],
        ['runtime.bgsweep', 'runtime.gcenable', 1, 0, 1],
        ['main.worker', 'main.serve', 1, 1, 0],
        ['', 'unknown', 0, 0, 1],
      ],
    )
  })

  it('have a row of their own for each that creates the same function', () => {
    const rows = startsOf((at, w) => {
      // 30 creators of one function: the 20 first by name have a row.
      for (let n = 10; n < 40; n++) at(n, Ev.GoCreate, n, w.stack('main.worker'), w.stack(`main.f${n}`))
      at(50, Ev.GoStop, w.string('preempted'), 0)
    })
    assert.equal(rows.length, 21)
    assert.deepEqual(rows[0]!['created_by'], 'main.f10')
    assert.deepEqual([rows[19]!['created_by'], rows[20]!['created_by']], ['main.f29', '(other)'])
    assert.deepEqual([rows[20]!['created'], rows[20]!['alive']], [10, 11])
  })
})
