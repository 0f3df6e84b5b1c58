import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import { readStat } from '../../../src/capture/proc.js'
import type { PerfDetail } from '../../../src/perf/index.js'
import { CpuGovernor } from '../../../src/pipeline/collect/governor.js'

/** Stands for the recording of one process: a process that costs CPU, and how much it was told to record. */
class Recording {
  detail: PerfDetail = 'full'
  readonly told: PerfDetail[] = []
  constructor(readonly pids: readonly number[]) {}

  setDetail(detail: PerfDetail): void {
    this.detail = detail
    this.told.push(detail)
  }
}

describe('the CPU ceiling of a collector', () => {
  const log = pino({ level: 'silent' })
  const running: ChildProcess[] = []
  let governor: CpuGovernor | undefined

  afterEach(async () => {
    governor?.close()
    for (const child of running.splice(0)) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  function busy(): Recording {
    const child = spawn(process.execPath, ['-e', 'for (;;) {}'], { stdio: 'ignore' })
    running.push(child)
    return new Recording([child.pid!])
  }

  function idle(): Recording {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
    running.push(child)
    return new Recording([child.pid!])
  }

  /** Until the process has used so much more CPU time. */
  async function works({ pids: [pid] }: Recording, ms: number): Promise<void> {
    const before = readStat(pid!)!.cpuMs
    while (readStat(pid!)!.cpuMs < before + ms) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  it('leaves out the stacks of the recording that costs most, then its system calls, then turns to the next', async () => {
    const options = { ceilingPercent: 0.01, everyMs: 1e9 }
    governor = new CpuGovernor(options, log)
    const [costly, cheap] = [busy(), idle()]
    governor.watch(cheap, log)
    governor.watch(costly, log)
    const told: PerfDetail[][] = []
    for (let looks = 0; looks < 10; looks++) {
      await works(costly, 50)
      governor.look()
      told.push([...costly.told, ...cheap.told])
    }
    assert.deepEqual(costly.told, ['noStacks', 'noSyscalls'])
    assert.deepEqual(cheap.told, ['noStacks', 'noSyscalls'])
    // One look above the ceiling may be a rotation: only two in a row thin.
    assert.deepEqual(
      told.slice(0, 4).map(({ length }) => length),
      [0, 1, 1, 2],
    )
    assert.deepEqual(told[3], ['noStacks', 'noSyscalls'])
    assert.equal(governor.status.thinned, 4)
    assert.ok(governor.status.perfPercent > 0)
  })

  it('records more again once it is well below, one step at a time, and tries later when that did not hold', async () => {
    const options = { ceilingPercent: 0.01, everyMs: 1e9 }
    governor = new CpuGovernor(options, log)
    const recording = busy()
    governor.watch(recording, log)
    const look = async (times: number) => {
      for (let looks = 0; looks < times; looks++) {
        await works(recording, 20)
        governor!.look()
      }
    }
    await look(4)
    assert.deepEqual(recording.told, ['noStacks', 'noSyscalls'])
    options.ceilingPercent = 1e6
    await look(11)
    assert.equal(recording.detail, 'noSyscalls')
    await look(1)
    assert.equal(recording.detail, 'noStacks')
    options.ceilingPercent = 0.01
    await look(2)
    assert.equal(recording.detail, 'noSyscalls')
    options.ceilingPercent = 1e6
    await look(23)
    assert.equal(recording.detail, 'noSyscalls')
    await look(1)
    assert.equal(recording.detail, 'noStacks')
    await look(24)
    assert.equal(recording.detail, 'full')
    assert.deepEqual([governor.status.thinned, governor.status.restored], [3, 3])
  })

  it('measures, and thins nothing, without a ceiling', async () => {
    governor = new CpuGovernor({ ceilingPercent: undefined, everyMs: 1e9 }, log)
    const recording = busy()
    governor.watch(recording, log)
    for (let looks = 0; looks < 3; looks++) {
      await works(recording, 30)
      governor.look()
    }
    assert.deepEqual(recording.told, [])
    assert.ok(governor.status.perfPercent > 0)
  })
})
