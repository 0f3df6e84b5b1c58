import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attach, launch } from '../../src/capture/target.js'
import { requireLinux } from '../support/requirements.js'

describe('recorded process', () => {
  let folder = ''
  before(function () {
    requireLinux(this)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dualtrace-test-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('knows a process whose name holds spaces and parentheses', async () => {
    const file = join(folder, 'a) R 1 (b')
    await copyFile('/bin/sleep', file)
    const child = spawn(file, ['30'])
    try {
      await once(child, 'spawn')
      const target = await attach(child.pid!)
      assert.equal(target.name, 'a) R 1 (b')
      assert.deepEqual(target.comms, ['a) R 1 (b'])
      assert.deepEqual(target.command, [file, '30'])
      assert.ok(Math.abs(Date.parse(target.start) - Date.now()) < 60_000)
      await target.release()
    } finally {
      child.kill()
    }
  })

  it('notices that the process has ended', async () => {
    const child = spawn('/bin/sleep', ['30'])
    await once(child, 'spawn')
    const target = await attach(child.pid!)
    child.kill()
    assert.equal(await target.exited, `process ${child.pid!} ended`)
  })

  it('says that there is no such process', () => assert.rejects(attach(2 ** 22 + 1), /there is no process 4194305/))

  it('holds a command back until it is told to go on', async () => {
    const witness = join(folder, 'ran')
    const target = await launch(['sh', '-c', 'echo "$$" > "$1"', 'sh', witness])
    await assert.rejects(readFile(witness))
    target.resume()
    assert.equal(await target.exited, 'the command ended with exit code 0')
    assert.equal(await readFile(witness, 'utf8'), `${target.pid}\n`)
  })

  it('ends a command it started, and one that was never told to go on too', async () => {
    const running = await launch(['sleep', '30'])
    running.resume()
    await running.release()
    assert.equal(await running.exited, 'the command was ended by SIGTERM')
    const held = await launch(['sleep', '30'])
    await held.release()
    assert.equal(await held.exited, 'the command was ended by SIGTERM')
  })

  it('refuses a command that cannot be executed', async () => {
    await writeFile(join(folder, 'plain'), '')
    await assert.rejects(launch([join(folder, 'plain')]), /there is no such executable/)
    await assert.rejects(launch(['no-such-command-at-all']), /cannot run no-such-command-at-all/)
  })
})
