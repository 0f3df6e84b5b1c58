import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, readStat } from '../../src/capture/proc.js'
import { requirePerf } from '../support/requirements.js'

const livePerf = new URL('../../src/capture/livePerf.js', import.meta.url).href

/** Attaches to a process, says which perfs run, and then sits there. */
const script = `
  import { openLivePerf } from ${JSON.stringify(livePerf)}
  const perf = await openLivePerf({ pid: Number(process.argv[1]) })
  console.log(JSON.stringify(perf.pids))
  for await (const chunk of perf.text);
`

describe('perf on its leash', () => {
  before(function () {
    requirePerf(this)
  })

  it('ends when the process that reads it is killed, even while the recorded process sleeps', async () => {
    const sleeper = spawn('sleep', ['60'])
    await once(sleeper, 'spawn')
    const args = ['--input-type=module', '-e', script, String(sleeper.pid)]
    const reader = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const line = (await once(createInterface({ input: reader.stdout }), 'line')) as [string]
      const pids = JSON.parse(line[0]) as number[]
      assert.equal(pids.length, 6)
      for (const pid of pids) assert.equal(readStat(pid)?.comm, 'perf')
      reader.kill('SIGKILL')
      const deadlineMs = Date.now() + 10_000
      const left = () => pids.map(readStat).filter(isAlive).length
      while (left() > 0 && Date.now() < deadlineMs) await sleep(20)
      assert.equal(left(), 0)
    } finally {
      reader.kill('SIGKILL')
      sleeper.kill('SIGKILL')
    }
  })
})
