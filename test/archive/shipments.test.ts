import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ArchivedCapture, capturesOf } from '../../src/archive/catalog.js'
import { readTrack } from '../../src/archive/trackReader.js'
import { verifyCapture } from '../../src/archive/verify.js'
import { ArchivedRun } from '../../src/pipeline/archive/archivedRun.js'
import type { Envelope } from '../../src/transport/envelope.js'
import { noKeeper } from '../support/archive.js'

const messages = 1000
const source = 'host/service/1/2026'
const stream = '00000000000001-abc'

describe('when the bytes of a track were shipped', () => {
  let archive: string
  beforeEach(() => (archive = mkdtempSync(join(tmpdir(), 'dualtrace-shipments-'))))
  afterEach(() => rmSync(archive, { recursive: true, force: true }))

  /** Four messages a second; the archive is opened anew after the half of them. @returns the largest manifest there ever was, bytes */
  async function fill(): Promise<number> {
    const envelope: Envelope = {
      ...{ schema: '1', source, service: 's', host: 'h', stream, track: 'perf', tracks: 'perf', position: 0 },
      ...{ clockMonotonicNs: '0', clockWallNs: '1795440000000000000' },
    }
    let run = await ArchivedRun.open(archive, envelope, 0, noKeeper)
    let largest = 0
    for (let i = 0, position = 0; i < messages; i++) {
      const value = Buffer.from(`svc 1/1 [000] ${100 + Math.floor(i / 4)}.${i % 4}00000000: 1 cpu-clock:\n\n`)
      const message = { offset: BigInt(i), key: source, headers: {}, value }
      await run.accept({ ...envelope, position, shippedAtMs: 1e12 + i }, message, 0)
      position += value.length
      if (i % 40 !== 39) continue
      await run.flush()
      for (const { directory } of await capturesOf(archive, source, stream))
        largest = Math.max(largest, statSync(join(directory, 'manifest.json')).size)
      if (i === messages / 2 - 1) run = await ArchivedRun.open(archive, envelope, 0, noKeeper)
    }
    return largest
  }

  async function shipped(captures: readonly ArchivedCapture[], damage: string[]): Promise<number[]> {
    const found: number[] = []
    for await (const { shippedAtMs } of readTrack(captures, 'perf', 0, (detail) => damage.push(detail)))
      if (shippedAtMs !== undefined) found.push(shippedAtMs)
    return found
  }

  it('is in a file beside the manifest, which stays small however many messages come', async () => {
    assert.ok((await fill()) < 4096)
    const captures = await capturesOf(archive, source, stream)
    assert.deepEqual(
      await shipped(captures, []),
      Array.from({ length: messages }, (_, i) => 1e12 + i),
    )
    for (const each of captures) assert.deepEqual(await verifyCapture(each), [])
  })

  it('is not known of a file that is damaged, which the reader says and verifying finds', async () => {
    await fill()
    const captures = await capturesOf(archive, source, stream)
    const path = join(captures[0]!.directory, 'perf.script.shipments.gz')
    writeFileSync(path, Buffer.alloc(statSync(path).size))
    const damage: string[] = []
    assert.deepEqual(await shipped(captures, damage), [])
    assert.match(damage.join(), /perf\.script\.shipments\.gz: the compressed file is damaged/)
    assert.match(
      (await verifyCapture(captures[0]!)).join(),
      /shipments\.gz: its checksum is not the one in the manifest/,
    )
  })
})
