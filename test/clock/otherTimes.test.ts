import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { analyzeOffline, openFiles, type OfflineResult } from '../../src/pipeline/offline.js'
import { renderTerminal } from '../../src/report/terminal.js'
import { handWorkedPerf, handWorkedTrace } from '../support/handWorked.js'
import { onClock, retimed } from '../support/perfTimes.js'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dualtrace-times-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

async function analyze(trace: string, perf: string): Promise<OfflineResult> {
  const path = join(folder, 'perf.txt')
  await writeFile(path, perf, 'latin1')
  return analyzeOffline(await openFiles(trace, path))
}

function perfOf(capture: string): string {
  return gunzipSync(readFileSync(`test/captures/${capture}/perf.script.gz`)).toString('latin1')
}

/** As if nobody had recorded what the network poller does. */
function withoutPolls(text: string): string {
  const lines = text.split('\n')
  return lines.filter((line) => line.startsWith('#') || !line.includes('sys_exit_epoll_pwait:')).join('\n')
}

/** A record with the lines of its stack: its head, CPU, and time. */
const recordPattern = /^( *\S.*? \d+\/\d+ +\[(\d+)\] +(\d+)\.(\d{9}): ).*\n(?:(?:\t.*)?\n)*/gm

const tablesOf = ({ rows }: OfflineResult) => new Set(rows.map(({ table }) => table))

for (const capture of ['healthy', 'stw-netpoll']) {
  describe(`a capture in which no network unblock can be checked (${capture})`, () => {
    const trace = `test/captures/${capture}/go.trace`
    let text = ''
    before(() => (text = withoutPolls(perfOf(capture))))

    it('is joined, and what checked it is told', async () => {
      const result = await analyze(trace, text)
      const { clock, fit } = result.summary
      assert.deepEqual([clock.method, clock.joined, clock.reason], ['monotonic', true, ''])
      assert.deepEqual([fit.pairs, fit.unmatched, fit.asleep, fit.isChecked], [0, 0, 0, true])
      assert.ok(fit.awake > 1000)
      assert.match(renderTerminal(result, false), /common threads; [\d,]+ stays of threads on a CPU check it\n/)
    })

    it('is joined on a clock of its own', async () => {
      const { clock, fit } = (
        await analyze(
          trace,
          onClock(text, (ns) => ns + 7e9),
        )
      ).summary
      assert.deepEqual([clock.method, clock.joined], ['fitted', true], clock.reason)
      assert.ok(fit.asleep <= fit.awake / 100, JSON.stringify(fit))
    })

    for (const shiftMs of [0.5, 3, -3, 500])
      it(`is not joined when perf’s clock is ${shiftMs} ms off: threads write while perf has them asleep`, async () => {
        const shifted = await analyze(
          trace,
          retimed(text, (ns) => ns + shiftMs * 1e6),
        )
        const { clock, fit } = shifted.summary
        assert.deepEqual([clock.method, clock.joined], ['unaligned', false])
        assert.match(
          clock.reason,
          /write to the Go trace while perf has them off the CPU.*different processes or times/,
        )
        assert.ok(fit.asleep > fit.awake, JSON.stringify(fit))
        assert.ok(!tablesOf(shifted).has('run_queue'))
      })
  })
}

describe('a capture that lost many of its records', () => {
  it('is joined all the same', async () => {
    // Of each CPU, three in ten stretches of 5 ms are missing; what tells of it comes with the record after.
    const stretches = new Map<string, boolean>()
    const missing = new Map<string, number>()
    let state = 7
    const isLost = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) < 0.3 * 2 ** 32
    const text = withoutPolls(perfOf('healthy')).replace(recordPattern, (record: string, ...groups: unknown[]) => {
      const [start, cpu, seconds, ns] = groups as string[]
      if (Number(seconds) === 0) return record
      const stretch = `${cpu!} ${Math.floor((Number(seconds) * 1e9 + Number(ns)) / 5e6)}`
      if (!stretches.has(stretch)) stretches.set(stretch, isLost())
      const lost = missing.get(cpu!) ?? 0
      missing.set(cpu!, stretches.get(stretch)! ? lost + 1 : 0)
      if (stretches.get(stretch)!) return ''
      return lost === 0 ? record : `${start!}PERF_RECORD_LOST lost ${lost}\n${record}`
    })
    const { clock, fit, perfLost } = (await analyze('test/captures/healthy/go.trace', text)).summary
    assert.ok(perfLost > 5000, `${perfLost} lost`)
    assert.deepEqual([clock.method, clock.joined, clock.reason], ['monotonic', true, ''])
    assert.ok(fit.awake > 500 && fit.asleep < fit.awake / 10, JSON.stringify(fit))
  })
})

describe('tracks that have no time in common', () => {
  for (const shiftS of [60, -60])
    it(`are not joined, and a sentence says how far apart they are (${shiftS} s)`, async () => {
      const result = await analyze(
        'test/captures/healthy/go.trace',
        retimed(perfOf('healthy'), (ns) => ns + shiftS * 1e9),
      )
      const { clock } = result.summary
      assert.deepEqual([clock.method, clock.joined], ['no_common_time', false])
      assert.match(clock.reason, /recorded at different times: one ends 5\d\.\d{3} s before the other begins/)
      assert.ok(!tablesOf(result).has('run_queue') && !tablesOf(result).has('syscalls'))
    })
})

describe('a capture that is too short for anything to check it', () => {
  it('is joined, and a note says that nothing checked it', async () => {
    const trace = join(folder, 'go.trace')
    await writeFile(trace, handWorkedTrace())
    const result = await analyze(trace, Buffer.from(handWorkedPerf()).toString('latin1'))
    assert.deepEqual([result.summary.clock.joined, result.summary.fit.isChecked], [true, false])
    assert.match(renderTerminal(result, false), /note +nothing can show that both tracks are of one process and time/)
  })
})
