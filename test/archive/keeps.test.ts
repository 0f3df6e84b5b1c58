import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import {
  promises,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addKeep } from '../../src/archive/keeps.js'
import { Lease, withArchiveLock } from '../../src/archive/lease.js'
import { Retention } from '../../src/archive/retention.js'
import { runCli } from '../support/cli.js'
import { startArchiver, until } from '../support/archiver.js'
import { writeCapture } from '../support/writtenCapture.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const noon = Date.UTC(2026, 10, 23, 12)
const atMs = noon - 9 * hourMs + 60_000
const window = { fromNs: `${atMs - 30_000}000000`, toNs: `${atMs + 30_000}000000` }

describe('a keep', () => {
  let archive: string
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-keep-'))))
  afterEach(() => rmSync(archive, { recursive: true, force: true }))

  const retention = (keepForMs?: number, maxBytes?: number) =>
    new Retention(archive, { maxAgeMs: hourMs, maxBytes, keepForMs })
  const capture = (source: string, hoursAgo: number) => writeCapture(archive, source, noon - hoursAgo * hourMs)

  it('that comes while retention waits for its turn saves its capture', async () => {
    const kept = capture('a', 9)
    let round: Promise<{ readonly deleted: readonly string[] }>
    await withArchiveLock(archive, async () => {
      round = retention().apply(noon)
      // The trash is made when it has read everything and is about to take the lock.
      await until(() => existsSync(join(archive, '.trash')))
      mkdirSync(join(archive, '.keep'))
      const text = JSON.stringify({ source: 'a', ...window, reason: 'just now' })
      writeFileSync(join(archive, '.keep', 'now.json'), text)
    })
    assert.deepEqual((await round!).deleted, [])
    assert.ok(existsSync(kept))
  })

  it('is over, and removed, so long after it was last written', async () => {
    const kept = capture('a', 9)
    const id = await addKeep(archive, { source: 'a', ...window, reason: 'gc pause' })
    const file = join(archive, '.keep', `${id}.json`)
    const [old, young] = [new Date(noon - 91 * dayMs), new Date(noon - 89 * dayMs)]
    const own = retention(90 * dayMs)
    utimesSync(file, young, young)
    assert.deepEqual((await own.apply(noon)).deleted, [])
    utimesSync(file, old, old)
    assert.deepEqual((await retention().apply(noon)).deleted, [])
    assert.deepEqual((await retention(90 * dayMs).apply(noon)).deleted, [kept])
    assert.ok(!existsSync(file))
  })

  it('that cannot be read keeps all that its name does not rule out, and nothing else', async () => {
    const [before, meant, after, other] = [capture('a', 20), capture('a', 9), capture('a', 5), capture('b', 9)]
    const id = await addKeep(archive, { source: 'a', ...window, reason: 'gc pause' })
    writeFileSync(join(archive, '.keep', `${id}.json`), '{')
    const own = retention()
    assert.deepEqual([...(await own.apply(noon)).deleted].sort(), [before, other].sort())
    assert.ok(existsSync(meant) && existsSync(after))
    assert.equal(own.keeps.unreadable.length, 1)
    writeFileSync(join(archive, '.keep', 'named-by-nobody.json'), '')
    const anything = capture('c', 30)
    assert.deepEqual((await own.apply(noon)).deleted, [])
    assert.ok(existsSync(anything))
  })

  it('is listed with its id, and removed by id or reason', async () => {
    const keep = (source: string, reason: string) => addKeep(archive, { source, ...window, reason })
    const ids = [await keep('a', 'gc pause'), await keep('b', 'gc pause'), await keep('a', 'outage')]
    const listed = await runCli(['archive', 'keeps', archive, '--json'])
    const { keeps } = JSON.parse(listed.stdout) as { keeps: { id: string; reason: string }[] }
    assert.deepEqual(keeps.map(({ id }) => id).sort(), [...ids].sort())
    const one = await runCli(['archive', 'unkeep', archive, ids[0]!])
    assert.deepEqual([one.code, one.stdout], [0, '1 keep removed\n'])
    const others = await runCli(['archive', 'unkeep', archive, '--reason', 'gc pause'])
    assert.deepEqual([others.code, others.stdout], [0, '1 keep removed\n'])
    assert.deepEqual(readdirSync(join(archive, '.keep')), [`${ids[2]!}.json`])
    assert.equal((await runCli(['archive', 'unkeep', archive, ids[0]!])).code, 2)
  })

  it('that holds more than the archive may have shows on the metrics of the archiver', async () => {
    capture('a', 9)
    await addKeep(archive, { source: 'a', ...window, reason: 'gc pause' })
    const own = await startArchiver(archive, {
      retention: { maxAgeMs: undefined, maxBytes: 400, keepForMs: undefined },
    })
    try {
      await until(() => own.archiver.aboveBytes === 600)
      writeFileSync(join(archive, '.keep', 'broken.json'), '')
      await until(() => own.archiver.unreadableKeeps === 1)
      rmSync(join(archive, '.keep'), { recursive: true })
      writeFileSync(join(archive, '.keep'), '')
      await until(() => own.archiver.counts.failedRetentions > 0)
    } finally {
      await own.stop()
    }
  })
})

describe('the lock of an archive', () => {
  it('is held by one at a time, also when one that found it dead is late to remove it', async () => {
    const archive = mkdtempSync(join(tmpdir(), 'dualtrace-lock-'))
    await (await Lease.take(archive, [])).release()
    const lock = join(archive, '.leases', 'lock')
    const { rm } = promises
    let inside = 0
    let most = 0
    const entered = new EventEmitter()
    // The first removal waits until another process may have removed the lock and taken it.
    let removals = 0
    promises.rm = async (path, options) => {
      if (path === lock && removals++ === 0) await Promise.race([once(entered, 'in'), sleep(200)])
      return rm(path, options)
    }
    syncBuiltinESMExports()
    try {
      symlinkSync(`1.999999999.00@${hostname()}`, lock)
      const contend = () =>
        withArchiveLock(archive, async () => {
          most = Math.max(most, ++inside)
          entered.emit('in')
          await sleep(50)
          inside--
        })
      await Promise.all(Array.from({ length: 8 }, contend))
    } finally {
      promises.rm = rm
      syncBuiltinESMExports()
    }
    assert.equal(most, 1)
    assert.deepEqual(readdirSync(join(archive, '.leases')), [])
    rmSync(archive, { recursive: true })
  })
})
