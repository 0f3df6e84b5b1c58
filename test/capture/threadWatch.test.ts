import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ThreadIds, ThreadWatch } from '../../src/capture/threadWatch.js'
import { inNamespace, processInside } from '../support/namespaces.js'
import { requireLinux, requireNamespaces } from '../support/requirements.js'

describe('the watch over threads in a pid namespace', () => {
  it('leaves a process of our own namespace alone', async function () {
    requireLinux(this)
    const watch = new ThreadWatch(process.pid, new AbortController().signal)
    await watch.ended
    assert.deepEqual(watch.take(), [])
  })

  it('tells the ids of each thread outside and inside once, and again after a while, and ends with the process', async function () {
    requireNamespaces(this)
    const outer = spawn('unshare', inNamespace('sh', '-c', 'echo $$; read wait'), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [line] = (await once(outer.stdout, 'data')) as [Buffer]
    assert.equal(line.toString(), '1\n')
    const pid = await processInside(outer.pid!)
    const watch = new ThreadWatch(pid, new AbortController().signal)
    let seen: readonly ThreadIds[] = []
    while (seen.length === 0) {
      await sleep(10)
      seen = watch.take()
    }
    assert.deepEqual(seen, [[pid, 1]])
    const again = new ThreadWatch(pid, new AbortController().signal, 1)
    for (let told = 0; told < 3; told++) {
      do seen = again.take()
      while (seen.length === 0 && (await sleep(10, true)))
      assert.deepEqual(seen[0], [pid, 1])
    }
    outer.stdin.end('\n')
    await Promise.all([watch.ended, again.ended])
    assert.deepEqual(watch.take(), [])
  })
})
