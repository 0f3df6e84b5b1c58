import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { perfMessage, record, startArchiver, until } from '../support/archiver.js'

describe('an archiver', () => {
  let archive: string
  let own: Awaited<ReturnType<typeof startArchiver>> | undefined
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-archiver-'))))
  afterEach(async () => {
    await own?.stop()
    rmSync(archive, { recursive: true, force: true })
  })

  it('goes on archiving while retention is looked after', async () => {
    // Reading this keep lasts until somebody has written it.
    mkdirSync(join(archive, '.keep'))
    const slow = join(archive, '.keep', 'slow.json')
    assert.equal(spawnSync('mkfifo', [slow]).status, 0)
    own = await startArchiver(archive)
    let writer: number | undefined
    await until(() => {
      try {
        // Succeeds when somebody reads it.
        writer = openSync(slow, constants.O_WRONLY | constants.O_NONBLOCK)
      } catch {
        return false
      }
      return true
    })
    try {
      await own.send(perfMessage('a/b/1/2', 0), record)
      await until(() => own!.committed.some(({ offset }) => offset === 1n))
    } finally {
      closeSync(writer!)
    }
  })
})
