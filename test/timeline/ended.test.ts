import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ev } from '../../src/gotrace/index.js'
import { Kernel } from '../../src/timeline/classes.js'
import { GoTraceWriter } from '../support/goTraceWriter.js'
import { startSeconds, wallSeconds } from '../support/handWorked.js'
import { perfProgram } from '../support/perfProgram.js'
import { requireGo, requirePerf } from '../support/requirements.js'
import { runTimeline } from '../support/timeline.js'

/** Time that each thread was on a CPU, ns. */
function onCpu(trace: Uint8Array, perf: Uint8Array): Map<number, number> {
  const ns = new Map<number, number>()
  const timeline = runTimeline(trace, perf, {
    threadTime({ tid }, fromNs, toNs, kernel) {
      if (kernel === Kernel.OnCpu) ns.set(tid, (ns.get(tid) ?? 0) + toNs - fromNs)
    },
  })
  timeline.settle(timeline.state.nowNs)
  return ns
}

/** Of nothing but a P on thread 101. */
function trace(): Uint8Array {
  const w = new GoTraceWriter(startSeconds * 1e9, wallSeconds)
  w.event(101, 1, Ev.ProcStatus, 0, 1)
  return w.bytes()
}

describe('a thread that ended, in perf’s text without EXIT records', () => {
  const line = (tid: number, cpu: number, ms: number, text: string) =>
    `svc 99/${tid} [00${cpu}] ${startSeconds}.${String(ms * 1e6).padStart(9, '0')}: ${text}`
  const into = (tid: number, cpu: number, ms: number) => line(tid, cpu, ms, 'PERF_RECORD_SWITCH IN')
  const text = (...lines: string[]) => Buffer.from(['# clockid: monotonic (1)', ...lines, ''].join('\n'))
  const ends = line(101, 0, 100, '1 cpu-clock:')

  it('is on its CPU until it was last seen there, when another one is switched in on it', () => {
    const perf = text(into(102, 0, 10), line(102, 0, 14, '1 cpu-clock:'), into(101, 0, 30), ends)
    assert.deepEqual([...onCpu(trace(), perf)], [[102, 4e6], [101, 70e6]]) // prettier-ignore
  })

  it('is not taken for ended when it runs on another CPU, or may have left unseen', () => {
    const other = text(into(102, 1, 10), into(101, 0, 30), ends)
    assert.deepEqual([...onCpu(trace(), other)].sort(), [[101, 70e6], [102, 90e6]]) // prettier-ignore
    const moved = text(
      into(102, 0, 10),
      line(102, 0, 20, 'PERF_RECORD_SWITCH OUT'),
      into(102, 1, 25),
      into(101, 0, 30),
      ends,
    )
    assert.deepEqual([...onCpu(trace(), moved)].sort(), [[101, 70e6], [102, 85e6]]) // prettier-ignore
  })

  it('is told as with them, of threads that ended while they were recorded', function () {
    requireGo(this)
    requirePerf(this)
    const folder = mkdtempSync(join(tmpdir(), 'dualtrace-ended-'))
    try {
      const [program, goTrace, data] = ['traces', 'go.trace', 'perf.data'].map((name) => join(folder, name)) as [string, string, string] // prettier-ignore
      execFileSync('go', ['build', '-trimpath', '-o', program, './traces'], { cwd: 'test/workloads' })
      perfProgram(data, [program, '-out', goTrace, '-work', 'procs,threads,network', '-for', '500ms'])
      const fields = ['-F', 'comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,trace', '-i', data]
      const script = ['script', '--header', '--ns', '--show-switch-events', '--show-lost-events', ...fields]
      const printed = (...more: string[]) =>
        execFileSync('perf', [...script, ...more], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] })
      const told = printed('--show-task-events')
      const ended = [...told.toString().matchAll(/PERF_RECORD_EXIT\(\d+:(\d+)\)/g)].map(([, tid]) => Number(tid))
      const [withExits, without] = [told, printed()].map((perf) => onCpu(readFileSync(goTrace), perf)) as [Map<number, number>, Map<number, number>] // prettier-ignore
      assert.ok(ended.length > 4, `${ended.length}`)
      // Those that ended last are followed by nobody on their CPU; of an earlier one a stop-the-world may have told before somebody was.
      const first = ended.slice(0, 4)
      const tooLong = first.filter((tid) => (without.get(tid) ?? 0) > (withExits.get(tid) ?? 0))
      assert.ok(tooLong.length <= first.length / 2, tooLong.map((tid) => `${tid}: ${without.get(tid)} ns`).join())
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
