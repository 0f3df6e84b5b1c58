import assert from 'node:assert/strict'
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { captureDirectory, hourOf } from '../../src/archive/layout.js'
import { Retention } from '../../src/archive/retention.js'
import { shipmentLines } from '../../src/archive/shipments.js'

const hourMs = 3_600_000
const noon = Date.UTC(2026, 10, 23, 12)
const hours = 720
const source = 'host/service/1/2026'
/** An hour of perf's text, flushed four times a second. */
const shipmentsPerHour = 14_400

describe('retention of an archive with 30 days of one process', () => {
  let archive: string
  const directories: string[] = []

  before(() => {
    archive = mkdtempSync(join(tmpdir(), 'dualtrace-large-'))
    const shipments = Array.from({ length: shipmentsPerHour }, (_, i) => [1e9 + i * 30_123, noon + i * 250] as const)
    const packed = gzipSync(shipmentLines(shipments))
    const files = [
      ['go.trace.gz', Buffer.alloc(1000)],
      ['go.trace.shipments.gz', packed],
    ] as const
    for (const [name, bytes] of files) writeFileSync(join(archive, name), bytes)
    for (let age = 0; age < hours; age++) {
      const fromNs = BigInt(noon - age * hourMs) * 1_000_000n
      const hour = hourOf(fromNs)
      const directory = captureDirectory(archive, { source, stream: 's1', hour })
      directories.push(directory)
      mkdirSync(directory, { recursive: true })
      for (const [name] of files) linkSync(join(archive, name), join(directory, name))
      const gotrace = {
        ...{ file: 'go.trace.gz', bytes: 1000, sha256: '0'.repeat(64), prefixBytes: 0, fromPosition: 0 },
        reached: { offset: '1', streamPosition: 0, fedPosition: 0, skipping: false, gapBytes: 0, wantsHeader: false },
        ...{ partition: 0, firstOffset: '0', gaps: [] },
        shipmentFile: { file: 'go.trace.shipments.gz', bytes: packed.length, sha256: '0'.repeat(64) },
        ...{ fromNs: String(fromNs), toNs: String(fromNs + BigInt(hourMs - 1) * 1_000_000n) },
        ...{ originNs: '0', withinRecord: false, ended: false },
      }
      const names = { schemaVersion: 1, source, service: 's', host: 'h', pid: 1, gotrace: { file: 'go.trace.gz' } }
      writeManifest(directory, { ...names, archive: { stream: 's1', hour, ships: 'gotrace', gotrace } })
    }
  })
  after(() => rmSync(archive, { recursive: true, force: true }))

  function writeManifest(directory: string, manifest: object): void {
    writeFileSync(join(directory, 'manifest.new'), JSON.stringify(manifest))
    renameSync(join(directory, 'manifest.new'), join(directory, 'manifest.json'))
  }

  /** Bytes that this process has read from files since it began. */
  const bytesRead = () => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])

  async function cost(work: () => Promise<unknown>): Promise<number> {
    const before = bytesRead()
    await work()
    return bytesRead() - before
  }

  it('reads every small manifest once, and then only what was written', async () => {
    const retention = new Retention(archive, { maxAgeMs: undefined, maxBytes: 1e12, keepForMs: undefined })
    const first = await cost(() => retention.apply(noon))
    assert.equal(retention.index.manifestsRead, hours)
    assert.ok(first < hours * 4096, `${first} bytes were read`)
    const second = await cost(() => retention.apply(noon))
    assert.equal(retention.index.manifestsRead, hours)
    assert.ok(second < 65_536, `${second} bytes were read`)
    // What the writer adds shows at once.
    const manifest = JSON.parse(readFileSync(join(directories[0]!, 'manifest.json'), 'utf8')) as {
      archive: { gotrace: { bytes: number } }
    }
    manifest.archive.gotrace.bytes = 2e12
    writeManifest(directories[0]!, manifest)
    retention.index.noteChange(directories[0]!)
    const { deleted } = await retention.apply(noon)
    assert.equal(retention.index.manifestsRead, hours + 1)
    assert.deepEqual(deleted, [...directories].reverse())
  })

  it('sees what others bring and delete', async () => {
    const bring = (name: string) => {
      const directory = captureDirectory(archive, {
        source: name,
        stream: 's1',
        hour: hourOf(BigInt(noon) * 1_000_000n),
      })
      mkdirSync(directory, { recursive: true })
      const names = { schemaVersion: 1, source: name, service: 's', host: 'h', pid: 1 }
      writeManifest(directory, { ...names, archive: { stream: 's1', hour: '2026-11-23T12', ships: 'gotrace' } })
      return directory
    }
    const retention = new Retention(archive, { maxAgeMs: undefined, maxBytes: undefined, keepForMs: undefined })
    const known = async () => (await retention.index.refresh()).map(({ directory }) => directory).sort()
    const before = await known()
    const brought = [bring('another'), bring('one-more')]
    assert.deepEqual(await known(), [...before, ...brought].sort())
    rmSync(brought[0]!, { recursive: true })
    assert.deepEqual(await known(), [...before, brought[1]!].sort())
    rmSync(join(archive, 'one-more'), { recursive: true })
    assert.deepEqual(await known(), before)
  })
})
