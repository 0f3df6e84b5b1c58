import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ev } from '../../src/gotrace/index.js'
import type { Row } from '../../src/measures/table.js'
import { DiagnoseResult } from '../../src/report/result.js'
import { timeClasses } from '../../src/timeline/classes.js'
import { runCli } from '../support/cli.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { perfProgram } from '../support/perfProgram.js'
import { PerfWriter } from '../support/perfWriter.js'
import { requireC, requireGo, requirePerf } from '../support/requirements.js'
import { runTimeline } from '../support/timeline.js'

const running = 2

/** A goroutine calls `leaf` from 10 to 90 ms; its thread is preempted from 20 to 30 ms and asleep from 40 to 60 ms. */
function pieces(leaf: string): [untilMs: number, className: string][] {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  w.event(100, 1, Ev.ProcStatus, 0, 1)
  w.event(100, 2, Ev.GoStatus, 1, 100, running)
  w.event(100, 10e6, Ev.GoSyscallBegin, 1, w.stack(leaf, 'main.main'))
  w.event(100, 90e6, Ev.GoSyscallEnd)
  w.event(100, 95e6, Ev.GoStop, w.string('preempted'), 0)
  const p = new PerfWriter(startSeconds)
  p.into(100, -1)
  p.out(100, 20, 'R')
  p.into(100, 30)
  p.out(100, 40, 'S')
  p.into(100, 60)
  p.sample(100, 96)
  const told: [number, string][] = []
  let stolenNs = 0
  runTimeline(w.bytes(), p.bytes(), {
    segment: ({ goid }, _fromNs, toNs, classId) => {
      if (goid === 1 && toNs >= 1e6 && toNs <= 95e6) told.push([toNs / 1e6, timeClasses[classId]!])
    },
    offCpu: ({ goroutine, fromNs, toNs }) => {
      if (goroutine !== undefined) stolenNs += toNs - fromNs
    },
  })
  assert.equal(stolenNs, leaf.includes('._C') ? 30e6 : 0)
  return told
}

describe('C code that Go calls', () => {
  it('works like Go: on a CPU, without one, or asleep in a system call', () => {
    const inC = [[10, 'on_cpu'], [20, 'on_cpu'], [30, 'cpu_stolen'], [40, 'on_cpu'], [60, 'syscall_blocked'], [90, 'on_cpu'], [95, 'on_cpu']] // prettier-ignore
    for (const leaf of ['main._Cfunc_work', 'net._C2func_getaddrinfo']) assert.deepEqual(pieces(leaf), inC)
  })

  it('is not taken for what is a system call', () => {
    const inCall = [[10, 'on_cpu'], [20, 'syscall_cpu'], [30, 'syscall_blocked'], [40, 'syscall_cpu'], [60, 'syscall_blocked'], [90, 'syscall_cpu'], [95, 'on_cpu']] // prettier-ignore
    assert.deepEqual(pieces('syscall.read'), inCall)
  })

  it('has the CPU time that a real program measures itself', async function () {
    requireGo(this)
    requireC(this)
    requirePerf(this)
    const folder = mkdtempSync(join(tmpdir(), 'dualtrace-c-'))
    try {
      const [program, trace, data] = ['ccode', 'c.trace', 'perf.data'].map((name) => join(folder, name)) as [string, string, string] // prettier-ignore
      const env = { ...process.env, CGO_ENABLED: '1' }
      execFileSync('go', ['build', '-trimpath', '-o', program, './ccode'], { cwd: 'test/workloads', env })
      perfProgram(data, [program, '-out', trace])
      const { stdout } = await runCli(['diagnose', '--trace', trace, '--perf', data, '--json', '-'])
      const rows = DiagnoseResult.parse(JSON.parse(stdout)).tables['tasks'] as Row[]
      const [task] = rows.filter((row) => row['type'] === 'encode')
      const ns = (name: string) => task?.[`${name}_ns`] as number
      // It computed for 300 ms of CPU time, and slept ten times for 10 ms at least.
      assert.ok(ns('on_cpu') >= 295e6 && ns('syscall_cpu') < 5e6, JSON.stringify(task))
      assert.ok(ns('syscall_blocked') >= 100e6, JSON.stringify(task))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
