import assert from 'node:assert/strict'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readCatalog } from '../../src/archive/catalog.js'
import { verifyCapture } from '../../src/archive/verify.js'
import { perfMessage, record, startArchiver, until } from '../support/archiver.js'
import { runCli } from '../support/cli.js'

const [bad, good] = ['host/bad/1/2026', 'host/good/1/2026']
const file = 'perf.script.gz'

describe('a damaged capture', () => {
  let archive: string
  let own: Awaited<ReturnType<typeof startArchiver>>
  beforeEach(async () => {
    archive = mkdtempSync(join(tmpdir(), 'dualtrace-damage-'))
    own = await startArchiver(archive)
  })
  afterEach(async () => {
    await own.stop()
    rmSync(archive, { recursive: true, force: true })
  })

  const capture = (source: string) => join(archive, source.replaceAll('/', '+'), '2026-11-23T12~1795435200000-abc')
  const text = (source: string) => gunzipSync(readFileSync(join(capture(source), file))).toString()

  /** Sends the n-th record of a source, and waits until all is on the disk. */
  async function archiveRecord(source: string, n: number): Promise<void> {
    const offset = await own.send(perfMessage(source, n * record.length), record)
    await until(() => own.committed.some((each) => each.offset > offset))
  }

  async function restartArchiver(): Promise<void> {
    await own.archiver.stop()
    own = await startArchiver(archive, {}, 10n)
  }

  const damages: Record<string, () => void> = {
    'whose file is missing': () => rmSync(join(capture(bad), file)),
    'whose file was cut off': () => truncateSync(join(capture(bad), file), 20),
    'whose manifest is no JSON': () => writeFileSync(join(capture(bad), 'manifest.json'), '{'),
    'whose file has changed': () => {
      const bytes = readFileSync(join(capture(bad), file))
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(join(capture(bad), file), bytes)
    },
  }

  for (const [what, damage] of Object.entries(damages))
    it(`${what} is put aside when it is to go on, and costs nobody else anything`, async () => {
      await archiveRecord(bad, 0)
      const before = readdirSync(capture(bad))
      await restartArchiver()
      damage()
      await archiveRecord(bad, 1)
      await archiveRecord(good, 0)
      assert.equal(text(good), record.toString())
      assert.equal(text(bad), record.toString())
      const { captures, problems } = await readCatalog(archive)
      assert.deepEqual([captures.length, problems], [2, []])
      for (const each of captures) assert.deepEqual(await verifyCapture(each), [])
      const [aside, ...others] = readdirSync(join(archive, '.damaged'))
      assert.deepEqual(others, [])
      const kept = readdirSync(join(archive, '.damaged', aside!))
      for (const name of kept) assert.ok(name === 'damage.txt' || before.includes(name), name)
      assert.equal(own.archiver.counts.damagedCaptures, 1)
      assert.equal(own.lines.filter(({ msg }) => msg.startsWith('a damaged capture was put aside')).length, 1)
      assert.deepEqual(own.failures, [])
    })

  it('is put aside while its run is being written, and what has come since the last write is in the new one', async () => {
    await archiveRecord(bad, 0)
    rmSync(join(capture(bad), file))
    await archiveRecord(bad, 1)
    await archiveRecord(good, 0)
    await archiveRecord(bad, 2)
    assert.equal(text(good), record.toString())
    assert.equal(text(bad), record.toString().repeat(2))
    const { captures } = await readCatalog(archive)
    assert.deepEqual(
      captures.map(({ manifest }) => manifest.archive.perf!.fromPosition),
      [record.length, 0],
    )
    for (const each of captures) assert.deepEqual(await verifyCapture(each), [])
  })

  it('that somebody has removed is begun again', async () => {
    await archiveRecord(bad, 0)
    rmSync(capture(bad), { recursive: true })
    await archiveRecord(bad, 1)
    assert.equal(text(bad), record.toString())
    assert.ok(!existsSync(join(archive, '.damaged')))
  })

  it('is told of by `archive list` and `archive verify`, with the reason', async () => {
    await archiveRecord(bad, 0)
    truncateSync(join(capture(bad), file), 20)
    await archiveRecord(bad, 1)
    const aside = join(archive, '.damaged', readdirSync(join(archive, '.damaged'))[0]!)
    for (const command of ['list', 'verify']) {
      const { code, stdout, stderr } = await runCli(['archive', command, archive])
      assert.equal(code, 3)
      const told = `${aside} was put aside: ${join(capture(bad), file)}: it has 20 bytes, and should have`
      assert.ok((stdout + stderr).includes(told), stdout + stderr)
    }
  })

  it('is none while the disk is away and another one is in its place', async () => {
    await archiveRecord(bad, 0)
    const [away, other] = [`${archive}.away`, mkdtempSync('/dev/shm/dualtrace-other-')]
    renameSync(archive, away)
    symlinkSync(other, archive)
    try {
      const offset = await own.send(perfMessage(bad, record.length), record)
      await until(() => own.archiver.counts.failedWrites > 0)
      assert.match(own.archiver.notReady().join(), /cannot write/)
      rmSync(archive)
      renameSync(away, archive)
      await until(() => own.committed.some((each) => each.offset > offset))
      assert.equal(text(bad), record.toString().repeat(2))
      assert.equal(own.archiver.counts.damagedCaptures, 0)
      assert.deepEqual(readdirSync(other), [])
    } finally {
      rmSync(other, { recursive: true })
    }
  })
})

describe('what cannot be archived', () => {
  it('costs the run that it came in what had not been written, and no other source anything', async () => {
    const archive = mkdtempSync(join(tmpdir(), 'dualtrace-poison-'))
    const own = await startArchiver(archive)
    try {
      // No manifest holds such a position.
      await own.send({ ...perfMessage(bad, 0), position: 9_999_999_999_999_998 }, record)
      const offset = await own.send(perfMessage(good, 0), record)
      await until(() => own.committed.some((each) => each.offset > offset))
      const { captures } = await readCatalog(archive)
      assert.deepEqual(
        captures.map(({ manifest }) => manifest.source),
        [good],
      )
      assert.equal(own.archiver.counts.failedRuns, 1)
    } finally {
      await own.stop()
      rmSync(archive, { recursive: true })
    }
  })
})
