import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { perfMessage, record, startArchiver, until } from '../support/archiver.js'

/** So that nothing but reading is to be done. */
const noFlushes = { flushEveryMs: 3_600_000 }

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

  it('whose consumer hangs is noticed: it starts it again, and is ready when what is in Kafka has been read', async () => {
    own = await startArchiver(archive, noFlushes)
    const { archiver, supervisor, kafka } = own
    kafka.perfEnd = 3n
    supervisor.start()
    await until(() => kafka.restarts.length === 1)
    assert.equal(supervisor.unreadMessages.perf, 3)
    assert.deepEqual(supervisor.notReady(), ['there is something to do and nothing is done'])
    assert.deepEqual(archiver.counts.stuck, { kafka: 0, disk: 0, consumer: 1 })
    for (let n = 0; n < 3; n++) await own.send(perfMessage('a/b/1/2', n * record.length), record)
    await until(() => supervisor.unreadMessages.perf === 0)
    assert.deepEqual(supervisor.notReady(), [])
  })

  it('whose consumer hangs for ever ends after three starts in vain', async () => {
    own = await startArchiver(archive, noFlushes)
    own.kafka.perfEnd = 1n
    own.supervisor.start()
    await assert.rejects(own.supervisor.hopeless, /starting the consumer again did not help/)
    assert.equal(own.kafka.restarts.length, 3)
    assert.deepEqual(own.archiver.counts.stuck, { kafka: 0, disk: 0, consumer: 4 })
  })

  it('counts what waits for the rest of its generation among what is not on the disk yet', async () => {
    own = await startArchiver(archive)
    const piece = { ...perfMessage('a/b/1/2', 0), track: 'gotrace', tracks: 'gotrace' } as const
    await own.send({ ...piece, generation: 1, sequence: 0 }, Buffer.alloc(700))
    assert.equal(own.archiver.pendingBytes, 700)
    await own.send({ ...piece, generation: 1, sequence: 1, position: 700, last: true }, Buffer.alloc(50))
    await until(() => own!.archiver.pendingBytes === 0)
  })

  it('waits for its disk, and does not blame its consumer', async () => {
    own = await startArchiver(archive)
    const { archiver, supervisor, kafka } = own
    kafka.perfEnd = 1n
    await own.send(perfMessage('a/b/1/2', 0), record)
    renameSync(archive, `${archive}.away`)
    try {
      await until(() => archiver.counts.failedWrites > 0)
      supervisor.start()
      await until(() => archiver.counts.stuck.disk > 0)
    } finally {
      renameSync(`${archive}.away`, archive)
    }
    await until(() => supervisor.notReady().length === 0)
    assert.deepEqual(kafka.restarts, [])
    assert.equal(archiver.counts.stuck.consumer, 0)
  })
})
