import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProcesses } from '../../src/capture/findProcess.js'
import { requireLinux } from '../support/requirements.js'

describe('finding a process', () => {
  let folder = ''
  const children: ChildProcess[] = []

  before(function () {
    requireLinux(this)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-test-'))
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })

  async function start(name: string): Promise<number> {
    const file = join(await mkdtemp(join(folder, 'bin-')), name)
    await copyFile('/bin/sleep', file)
    const child = spawn(file, ['60'])
    children.push(child)
    await once(child, 'spawn')
    return child.pid!
  }

  it('finds it by number while it runs', async () => {
    const pid = await start('by-number')
    assert.deepEqual(await findProcesses({ pid }), [pid])
    children[0]!.kill('SIGKILL')
    await once(children[0]!, 'exit')
    assert.deepEqual(await findProcesses({ pid }), [])
  })

  it('finds it by name, the oldest first, and no other of a similar name', async () => {
    const name = `svc-${process.pid}`
    const first = await start(name)
    await start(`${name}-b`)
    const second = await start(name)
    assert.deepEqual(await findProcesses({ command: name }), [first, second])
    assert.deepEqual(await findProcesses({ command: 'no such process' }), [])
  })

  it('finds a name that is longer than the kernel keeps, by its program', async () => {
    const pid = await start(`service-with-a-long-name-${process.pid}`)
    await start(`service-with-a-long-name-2-${process.pid}`)
    assert.deepEqual(await findProcesses({ command: `service-with-a-long-name-${process.pid}` }), [pid])
  })

  for (const host of ['127.0.0.1', '::1'])
    it(`finds it by the port it listens on (${host}), and not those connected to it`, async function () {
      const server = createServer()
      server.listen(0, host)
      const failed = once(server, 'error').then(([error]) => error as NodeJS.ErrnoException)
      const error = await Promise.race([once(server, 'listening').then(() => undefined), failed])
      if (error?.code === 'EADDRNOTAVAIL') return this.skip()
      const { port } = server.address() as AddressInfo
      assert.deepEqual(await findProcesses({ port }), [process.pid])
      server.close()
      await once(server, 'close')
      assert.deepEqual(await findProcesses({ port }), [])
    })
})
