import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { analyzeCapture } from '../../src/pipeline/offline.js'
import type { LocalStack } from '../../src/stack/local.js'
import { packageRoot } from '../../src/stack/paths.js'
import { Deployment } from '../support/deployment.js'
import { requireJava } from '../support/requirements.js'
import { sharedStack } from '../support/stack.js'
import { computedRows, storedRows } from '../support/storedRows.js'

const capture = join(packageRoot(), 'test/captures/stw-netpoll')
const ended = 'the source has ended'

/** Stands before QuestDB; at the first write it calls `onWrite`, and answers only once that is done. */
class Door {
  writes = 0
  private readonly server: Server

  constructor(
    private readonly url: string,
    private readonly onWrite: () => Promise<void>,
  ) {
    this.server = createServer((incoming, response) => void this.pass(incoming, response))
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  private async pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const isWrite = incoming.url!.startsWith('/write')
    const isFirst = isWrite && this.writes++ === 0
    const { method, headers } = incoming
    const onward = request(new URL(incoming.url!, this.url), { method, headers })
    incoming.pipe(onward)
    const answer = await new Promise<IncomingMessage>((resolve) => onward.once('response', resolve))
    if (isFirst) await this.onWrite()
    response.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(response)
  }
}

describe('a normalizer that was frozen in the middle of a write', function () {
  let stack: LocalStack

  before(async function () {
    requireJava(this)
    stack = await sharedStack()
  })

  it('writes nothing of what its successor has written meanwhile', async () => {
    const fate: { atWrite: () => Promise<void> } = { atWrite: () => Promise.resolve() }
    const door = new Door(stack.questdb.url, () => fate.atWrite())
    const deployment = new Deployment(stack, 'fence', { DUALTRACE_SESSION_TIMEOUT: '2s' })
    const behindDoor = new Deployment(stack, 'fence', {
      DUALTRACE_SESSION_TIMEOUT: '2s',
      DUALTRACE_QUESTDB: await door.open(),
    })
    try {
      const frozen = await behindDoor.start()
      await frozen.said('reading', '"partition":3')
      const stopped = new Promise<void>((resolve) => {
        fate.atWrite = async () => {
          // It computes on while the first rows are on their way: these are what it must not write when it wakes.
          while ((await behindDoor.metrics()).get('dualtrace_waiting_rows') === 0) await sleep(20)
          process.kill(frozen.pid!, 'SIGSTOP')
          resolve()
        }
      })
      await deployment.ship(capture, { messageBytes: 50_000 })
      await stopped
      const successor = await deployment.start()
      await successor.said(ended, deployment.source)
      const stored = await storedRows(stack.questdb.url, deployment.source)
      assert.deepEqual(stored, computedRows((await analyzeCapture(capture)).rows, deployment.source))
      const linesBefore = frozen.lines.length
      process.kill(frozen.pid!, 'SIGCONT')
      // It joins again, as a stranger, and finds that everything has been done.
      await frozen.saidFrom(linesBefore, 'assigned; reading the checkpoints', '"kept":[]')
      await successor.kill()
      const readings = () => frozen.lines.filter((line) => line.includes('"reading"') && line.includes('"partition":3'))
      while (readings().length < 2) await sleep(50)
      assert.equal(door.writes, 1)
    } catch (error) {
      process.stderr.write(`${[...deployment.log, ...behindDoor.log].slice(-60).join('\n')}\n`)
      throw error
    } finally {
      await deployment.killAll()
      await behindDoor.killAll()
      door.close()
    }
  })
})
