import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { captureDirectory, hourOf } from '../../src/archive/layout.js'

/** Puts a capture of 1000 bytes with the data of one hour into an archive. @returns its directory */
export function writeCapture(archive: string, source: string, fromMs: number): string {
  const fromNs = BigInt(fromMs) * 1_000_000n
  const hour = hourOf(fromNs)
  const directory = captureDirectory(archive, { source, stream: 's1', hour })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'go.trace.gz'), Buffer.alloc(1000))
  const gotrace = {
    file: 'go.trace.gz',
    bytes: 1000,
    sha256: '0'.repeat(64),
    prefixBytes: 0,
    fromPosition: 0,
    reached: { offset: '1', streamPosition: 0, fedPosition: 0, skipping: false, gapBytes: 0, wantsHeader: false },
    partition: 0,
    firstOffset: '0',
    gaps: [],
    fromNs: String(fromNs),
    toNs: String(fromNs + 3_599_999_000_000n),
    originNs: '0',
    withinRecord: false,
    ended: false,
  }
  const names = { schemaVersion: 1, source, service: 's', host: 'h', pid: 1, gotrace: { file: 'go.trace.gz' } }
  const manifest = { ...names, archive: { stream: 's1', hour, ships: 'gotrace', gotrace } }
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest))
  return directory
}
