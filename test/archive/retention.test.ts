import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { keepRaw } from '../../src/alerts/keepRaw.js'
import { gcPauseRule } from '../../src/alerts/rules/gcPause.js'
import { addKeep, readKeeps } from '../../src/archive/keeps.js'
import { captureDirectory, sourceDirectory } from '../../src/archive/layout.js'
import { Lease } from '../../src/archive/lease.js'
import { Retention } from '../../src/archive/retention.js'
import { writeCapture } from '../support/writtenCapture.js'

const hourMs = 3_600_000
const noon = Date.UTC(2026, 10, 23, 12)

describe('retention of the archive', () => {
  let archive: string
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-retention-'))))
  afterEach(() => rmSync(archive, { recursive: true, force: true }))

  const addCapture = (source: string, hoursAgo: number) => writeCapture(archive, source, noon - hoursAgo * hourMs)

  const retain = (maxAgeMs: number | undefined, maxBytes?: number) =>
    new Retention(archive, { maxAgeMs, maxBytes, keepForMs: undefined }).apply(noon)

  it('deletes what is older than the limit of age, and the directory of a source that has nothing left', async () => {
    const old = addCapture('a', 10)
    const young = addCapture('b', 2)
    assert.deepEqual(await retain(5 * hourMs), { deleted: [old], deletedBytes: 1000, aboveBytes: 0, problems: [] })
    assert.deepEqual([existsSync(old), existsSync(join(archive, 'a')), existsSync(young)], [false, false, true])
  })

  it('deletes the oldest of all sources while the archive is larger than the limit', async () => {
    const captures = [addCapture('a', 4), addCapture('b', 3), addCapture('a', 2), addCapture('b', 1)]
    const { deleted } = await retain(undefined, 2500)
    assert.deepEqual(deleted, captures.slice(0, 2))
    assert.deepEqual(
      captures.map((each) => existsSync(each)),
      [false, false, true, true],
    )
  })

  it('leaves what is being read until the reader has released it, and says how much that is too much', async () => {
    const read = addCapture('a', 10)
    const lease = await Lease.take(archive, [read])
    assert.deepEqual(await retain(hourMs, 0), { deleted: [], deletedBytes: 0, aboveBytes: 1000, problems: [] })
    await lease.release()
    assert.deepEqual((await retain(hourMs)).deleted, [read])
  })

  it('takes nothing from a reader of another process, and everything after that one was killed', async () => {
    const read = addCapture('a', 10)
    const lease = join(import.meta.dirname, '../../src/archive/lease.js')
    const script = `const { Lease } = await import(${JSON.stringify(lease)})
      await Lease.take(${JSON.stringify(archive)}, [${JSON.stringify(read)}])
      console.log('held')
      setInterval(() => {}, 1000)`
    const reader = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => reader.stdout.once('data', resolve))
    assert.deepEqual((await retain(hourMs)).deleted, [])
    const exit = new Promise((resolve) => reader.once('exit', resolve))
    reader.kill('SIGKILL')
    await exit
    assert.deepEqual((await retain(hourMs)).deleted, [read])
    assert.deepEqual(readdirSync(join(archive, '.leases')), [])
  })

  it('leaves what a keep names: of that source, where the windows touch', async () => {
    const [before, kept, other] = [addCapture('a', 10), addCapture('a', 9), addCapture('b', 9)]
    const atMs = noon - 9 * hourMs + 60_000
    const window = { fromNs: `${atMs - 30_000}000000`, toNs: `${atMs + 30_000}000000` }
    await addKeep(archive, { source: 'a', ...window, reason: 'gc pause' })
    assert.deepEqual([...(await retain(hourMs)).deleted].sort(), [before, other].sort())
    assert.ok(existsSync(kept))
  })
})

describe('an alert that fires', () => {
  it('keeps the raw data of its source from before what its rule looked at until after it was last seen', async () => {
    const archive = mkdtempSync(join(tmpdir(), 'dualtrace-keeps-'))
    const labels = { source: 'host/service/1/2026' }
    const state = { rule: gcPauseRule.uid, labels, status: 'firing', value: 12, sinceMs: noon } as const
    const ruleOf = () => gcPauseRule
    await keepRaw(archive, [state], ruleOf, noon)
    await keepRaw(archive, [state, { ...state, rule: 'other', status: 'pending' }], ruleOf, noon + 60_000)
    const fromNs = `${noon - 300_000 - 30_000}000000`
    const toNs = `${noon + 60_000 + 30_000}000000`
    const keeps = (await readKeeps(archive)).map(({ keep }) => keep)
    assert.deepEqual(keeps, [{ ...labels, fromNs, toNs, reason: gcPauseRule.title }])
    rmSync(archive, { recursive: true })
  })
})

describe('names in the archive', () => {
  it('stay within it and stay apart, whatever a source is called', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 600 }),
      fc.constantFrom('../..', '.', '', 'a/../b', '\0', '/etc', 'a+b', 'a/b', '~'),
    )
    fc.assert(
      fc.property(text, text, (a, b) => {
        const name = sourceDirectory(a)
        assert.match(name, /^[A-Za-z0-9_%+~-][A-Za-z0-9._%+~-]{0,200}$|^$/)
        assert.ok(!name.split('/').includes('..') && !name.startsWith('.'))
        if (Buffer.from(a).compare(Buffer.from(b)) !== 0) assert.notEqual(name, sourceDirectory(b))
      }),
      { numRuns: 2000 },
    )
    const directory = captureDirectory('/archive', { source: '../../x', stream: '..', hour: '2026-11-23T12' })
    assert.equal(directory, '/archive/%2e.+%2e.+x/2026-11-23T12~..')
  })
})
