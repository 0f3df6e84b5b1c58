import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture, type OfflineResult } from '../../src/pipeline/offline.js'
import type { LocalStack, ServerName } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { Deployment } from '../support/deployment.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const ended = 'the source has ended'
/** What is promised. */
const stopWithinMs = 10_000

describe('a normalizer', function () {
  let stack: LocalStack
  let offline: OfflineResult
  let deployment: Deployment

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
    offline = await analyzeCapture(capture)
  })

  afterEach(async function () {
    await deployment.killAll()
    if (this.currentTest?.isFailed() === true) process.stderr.write(`${deployment.log.slice(-60).join('\n')}\n`)
  })

  async function frozen<T>(server: ServerName, during: () => Promise<T>): Promise<T> {
    const pid = (await stack.pid(server))!
    process.kill(pid, 'SIGSTOP')
    try {
      return await during()
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }

  async function assertStored() {
    const stored = await storedRows(stack.questdb.url, deployment.source)
    assert.deepEqual(stored, computedRows(offline.rows, deployment.source))
  }

  for (const server of [undefined, 'questdb', 'kafka'] as const)
    it(`ends within 10 s of SIGTERM${server === undefined ? '' : ` while ${server} is frozen`}, and the next one goes on from there`, async () => {
      deployment = new Deployment(stack, `stop-${server ?? 'plain'}`)
      const first = await deployment.start()
      await first.said('reading', '"partition":3')
      const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
      await sleep(1500)
      const stop = async () => {
        if (server !== undefined) await sleep(1500)
        const start = Date.now()
        assert.equal(await first.stop(), 0)
        assert.ok(Date.now() - start < stopWithinMs, `${Date.now() - start} ms`)
      }
      await (server === undefined ? stop() : frozen(server, stop))
      if (server === undefined) await first.said('stopped; everything is written and committed')
      const second = await deployment.start()
      await shipping
      await second.said(ended, deployment.source)
      await assertStored()
    })

  for (const server of ['questdb', 'kafka'] as const)
    it(`notices that nothing goes on while ${server} is frozen, says so, and goes on afterwards`, async () => {
      deployment = new Deployment(stack, `stuck-${server}`, { DUALTRACE_STUCK_AFTER: '2s' })
      const normalizer = await deployment.start()
      await normalizer.said('reading', '"partition":3')
      const shipping = deployment.ship(capture, { messageBytes: 20_000, speed: 1.2 })
      await sleep(1500)
      await frozen(server, () => normalizer.said('there is something to do and nothing is done', `"cause":"${server}"`))
      await shipping
      await normalizer.said(ended, deployment.source)
      assert.ok((await deployment.metrics()).get(`dualtrace_stuck_total{cause="${server}"}`)! > 0)
      if (server === 'kafka') await normalizer.said('the Kafka consumer starts again')
      await assertStored()
    })
})
