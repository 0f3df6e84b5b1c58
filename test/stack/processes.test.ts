import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, stopServer } from '../../src/stack/processes.js'

describe('the log of a server of the local stack', () => {
  let dir = ''
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'dualtrace-processes-'))))
  afterEach(() => rmSync(dir, { recursive: true }))

  it('goes on over starts, and is put aside when it has become large', async () => {
    const [logFile, pidFile] = [join(dir, 'own.log'), join(dir, 'own.pid')]
    const server = { name: 'own', command: 'sleep', args: ['60'], cwd: dir, logFile, pidFile }
    writeFileSync(logFile, 'before\n')
    await startServer(server)
    await stopServer(pidFile)
    assert.deepEqual([statSync(logFile).size, existsSync(`${logFile}.1`)], [7, false])
    truncateSync(logFile, 64 << 20)
    await startServer(server)
    await stopServer(pidFile)
    assert.deepEqual([statSync(logFile).size, statSync(`${logFile}.1`).size], [0, 64 << 20])
  })
})
