import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ev } from '../../../src/gotrace/index.js'
import { Spool } from '../../../src/pipeline/collect/spool.js'
import { freePort } from '../../../src/stack/ports.js'
import { CollectorProcess } from '../../support/collector.js'
import { GoTraceWriter } from '../../support/goTraceWriter.js'
import { requireLinux } from '../../support/requirements.js'

/** What is promised. */
const stopWithinMs = 10_000
/** What an outbox counts for each message besides its value. */
const besideValueBytes = 2000

describe('a collector that is told to stop', () => {
  let folder = ''
  let collector: CollectorProcess | undefined
  const sockets: Socket[] = []
  before(function () {
    requireLinux(this)
  })
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'dualtrace-shutdown-'))))
  afterEach(async function () {
    if (this.currentTest?.isFailed() === true) process.stderr.write(`${collector?.lines.slice(-30).join('\n') ?? ''}\n`)
    await collector?.kill()
    for (const socket of sockets.splice(0)) socket.destroy()
    rmSync(folder, { recursive: true })
  })

  it('ends within 10 s, and has what was in memory in its spool, whatever its Go sources and Kafka do', async () => {
    const silent = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const [file, socketPath, pipe] = ['own.trace', 'trace.sock', 'pipe'].map((name) => join(folder, name))
    execFileSync('mkfifo', [pipe!])
    const places = {
      url: `traceUrl: 'http://127.0.0.1:${(silent.address() as AddressInfo).port}'`,
      file: `traceFile: ${file!}`,
      socket: `traceSocket: ${socketPath!}`,
      // To open it takes for ever.
      pipe: `traceFile: ${pipe!}`,
    }
    const inputs = Object.entries(places).map(
      ([service, place]) =>
        `  - process: { pid: ${process.pid}, ${place}, perf: false, host: test, service: ${service} }`,
    )
    const lines = [
      'kind: collect',
      `kafka: { brokers: '127.0.0.1:${await freePort()}' }`,
      `spool: { directory: ${join(folder, 'spool')} }`,
      'reportEvery: 1s',
      `inputs:\n${inputs.join('\n')}\n`,
    ]
    writeFileSync(join(folder, 'own.yaml'), lines.join('\n'))
    const asked = once(silent, 'connection')
    const own = (collector = new CollectorProcess({}, join(folder, 'own')))
    await Promise.all([asked, own.said('"msg":"collecting"', '/url/')])
    let isOver = false
    const growing = (async () => {
      for (let gen = 1; !isOver; gen++) {
        const writer = new GoTraceWriter(Number(process.hrtime.bigint()), Date.now() / 1000, gen)
        writer.event(100, 0, Ev.ProcStatus, 0, 1)
        appendFileSync(file!, writer.bytes())
        await sleep(100)
      }
    })()
    try {
      await own.state(({ inputs: [, grows] }) => grows!.gotrace.generations > 2)
      sockets.push(connect(socketPath!))
      const { outbox } = await own.state(({ inputs: [, , listens] }) => listens!.gotrace.isOpen)
      assert.ok(outbox.memoryWaitingBytes > 0)
      const startMs = Date.now()
      const stopped = own.stop()
      await own.said('an input has not ended in time')
      await own.said('kept in the spool for the next start')
      // Nobody can end a process that waits in an open.
      appendFileSync(pipe!, '')
      assert.equal(await stopped, 0)
      assert.ok(Date.now() - startMs < stopWithinMs, `${Date.now() - startMs} ms`)
      const spool = await Spool.open(join(folder, 'spool'), 1e9)
      const batch = await spool.head(1e9)
      const sizeBytes = batch!.messages.reduce((sum, { value }) => sum + value!.byteLength + besideValueBytes, 0)
      assert.ok(sizeBytes >= outbox.memoryWaitingBytes)
      // All that can end have told so.
      const ended = batch!.messages.filter(({ headers }) => headers['end'] !== undefined)
      assert.deepEqual(ended.map(({ key }) => key.split('/')[1]).sort(), ['file', 'socket', 'url'])
      await spool.close()
    } finally {
      isOver = true
      await growing
      silent.close()
    }
  })
})
