import { readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { type ArchivedCapture, readCatalog } from '../../src/archive/catalog.js'
import type { ArchiveKeeper } from '../../src/archive/streamWriter.js'
import type { Manifest } from '../../src/capture/manifest.js'
import { readCapture } from '../../src/capture/directory.js'
import { ArchivedRun } from '../../src/pipeline/archive/archivedRun.js'
import { cutterFor } from '../../src/pipeline/cutter.js'
import type { Envelope, Track } from '../../src/transport/envelope.js'
import { tracks } from '../../src/transport/topics.js'

/** Of an archive that nobody deletes from and whose disk does not fail. */
export const noKeeper: ArchiveKeeper = { hold: () => Promise.resolve(), insist: (attempt) => attempt() }

/** Of the messages of a run that ships a capture's recording. */
export function envelopeOf(
  { service, host, clock }: Manifest,
  source: string,
  stream: string,
): Omit<Envelope, 'track' | 'position'> {
  return {
    schema: '1',
    ...{ source, service, host, stream },
    tracks: 'gotrace,perf',
    clockMonotonicNs: clock!.monotonicNs,
    clockWallNs: clock!.wallNs,
    perfClock: 'CLOCK_MONOTONIC',
  }
}

/** The bytes of both tracks of a capture (go.trace, perf.script.gz). */
export function contentOf(capture: string): Readonly<Record<Track, Buffer>> {
  return {
    gotrace: readFileSync(join(capture, 'go.trace')),
    perf: gunzipSync(readFileSync(join(capture, 'perf.script.gz'))),
  }
}

/** The bytes of both tracks of a capture of an archive. */
export function archivedContentOf({ directory, manifest }: ArchivedCapture): Readonly<Record<Track, Buffer>> {
  return {
    gotrace: gunzipSync(readFileSync(join(directory, manifest.gotrace!.file))),
    perf: gunzipSync(readFileSync(join(directory, manifest.perf!.file))),
  }
}

/** The captures of an archive, once the two tracks of its only run have ended. */
export async function archivedWhole(archive: string): Promise<readonly ArchivedCapture[]> {
  for (;;) {
    const { captures } = await readCatalog(archive)
    const both = captures.flatMap(({ manifest: { archive } }) => [archive.gotrace, archive.perf])
    if (both.filter((track) => track?.ended === true).length === 2) return captures
    await sleep(100)
  }
}

/**
 * Puts a capture (go.trace, perf.script.gz) into an archive as a run of the source, the way the archiver does it with messages from Kafka:
 * all of them shipped when the capture began.
 */
export async function archiveCapture(capture: string, archive: string, source: string): Promise<void> {
  const content = contentOf(capture)
  const { manifest } = await readCapture(capture)
  const envelope = envelopeOf(manifest, source, '00000000000001-abc')
  const shippedAtMs = Number(BigInt(manifest.clock!.wallNs) / 1_000_000n)
  const run = await ArchivedRun.open(archive, { ...envelope, track: 'perf', position: 0 }, 0, noKeeper)
  for (const track of tracks) {
    const cutter = cutterFor(track, 500_000)
    let offset = 0n
    for (const piece of [...cutter.push(content[track]), ...cutter.end()]) {
      const { position, bytes, generation, sequence, last } = piece
      const message = { offset: offset++, key: source, headers: {}, value: bytes }
      await run.accept({ ...envelope, track, position, generation, sequence, last, shippedAtMs }, message, 0)
    }
    const end = { offset, key: source, headers: {}, value: new Uint8Array(0) }
    await run.accept({ ...envelope, track, position: content[track].length, end: true }, end, 0)
  }
  await run.flush()
}

/** Makes of a file one that can be opened and not read (EIO), as on a disk that fails. */
export function makeUnreadable(path: string): void {
  rmSync(path)
  symlinkSync('/proc/self/mem', path)
}
