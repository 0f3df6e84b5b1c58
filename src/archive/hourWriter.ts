import { join } from 'node:path'
import { type ArchivedTrack, type Grown, Manifest, manifestFile } from '../capture/manifest.js'
import type { Track } from '../transport/envelope.js'
import { makeDirectory, replaceFile } from './durable.js'
import { type Shipment, shipmentLines } from './shipments.js'
import { TrackFile } from './trackFile.js'

const fileNames: Readonly<Record<Track, string>> = { gotrace: 'go.trace.gz', perf: 'perf.script.gz' }
const shipmentFileNames: Readonly<Record<Track, string>> = {
  gotrace: 'go.trace.shipments.gz',
  perf: 'perf.script.shipments.gz',
}

/** Everything of a track's entry but what the files themselves decide. */
export type TrackState = Omit<ArchivedTrack, keyof Grown | 'prefixBytes' | 'shipmentFile'>

/** What has come of a track. */
export interface Addition {
  readonly bytes: readonly Uint8Array[]
  /** To be put before the bytes when the hour begins with them, so that its file can be read alone. */
  readonly prefix: readonly Uint8Array[]
  readonly shipment: Shipment | undefined
  /** As if nothing of the hour had come before. */
  readonly state: TrackState
}

interface Pending {
  prefix: readonly Uint8Array[]
  readonly bytes: Uint8Array[]
  readonly shipments: Shipment[]
  state: TrackState
}

interface Files {
  readonly bytes: TrackFile
  readonly shipments: TrackFile
}

/** One capture of the archive while it grows. What was appended counts from the moment the manifest that says so is on the disk. */
export class HourWriter {
  pendingBytes = 0
  private pending: Partial<Record<Track, Pending>> = {}
  private files: Partial<Record<Track, Files>> = {}

  /** @param manifest as it lies on the disk, or, for a new capture, without tracks */
  constructor(
    readonly directory: string,
    private manifest: Manifest,
  ) {}

  get hour(): string {
    return this.manifest.archive!.hour
  }

  append(track: Track, { bytes, prefix, shipment, state }: Addition): void {
    const before = this.pending[track]
    const pending = (this.pending[track] = before ?? { prefix, bytes: [], shipments: [], state })
    if (pending.bytes.length === 0) pending.prefix = prefix
    pending.bytes.push(...bytes)
    if (shipment !== undefined) pending.shipments.push(shipment)
    pending.state = joined(before?.state, state)
    for (const { length } of bytes) this.pendingBytes += length
  }

  /** Begins the capture anew with what has not been written: what was is not there any more. @param manifest without tracks */
  beginAgain(manifest: Manifest): void {
    this.manifest = manifest
    this.files = {}
  }

  /**
   * Writes what was appended. May be called again after it failed, and does nothing twice.
   * @throws DamagedCapture when what was written before is not there as it was
   */
  async flush(): Promise<void> {
    const taken = Object.entries(this.pending) as [Track, Pending][]
    if (taken.length === 0) return
    await makeDirectory(this.directory)
    const archive = { ...this.manifest.archive! }
    const accept: (() => void)[] = []
    for (const [track, pending] of taken) {
      const before = archive[track]
      const files = (this.files[track] ??= this.filesOf(track, before))
      const state = joined(before, pending.state)
      if (pending.bytes.length === 0 && before !== undefined) {
        archive[track] = { ...before, ...state }
        continue
      }
      const prefix = before === undefined ? pending.prefix : []
      const appended = await files.bytes.append([...prefix, ...pending.bytes])
      accept.push(() => files.bytes.accept(appended))
      const { bytes, sha256 } = appended
      const prefixBytes = before?.prefixBytes ?? prefix.reduce((sum, { length }) => sum + length, 0)
      archive[track] = { ...before, ...state, prefixBytes, file: fileNames[track], bytes, sha256 }
      if (pending.shipments.length === 0) continue
      const shipped = await files.shipments.append([shipmentLines(pending.shipments)])
      accept.push(() => files.shipments.accept(shipped))
      const { bytes: sizeBytes, sha256: checksum } = shipped
      archive[track].shipmentFile = { file: shipmentFileNames[track], bytes: sizeBytes, sha256: checksum }
    }
    const next = withFiles({ ...this.manifest, archive })
    await replaceFile(join(this.directory, manifestFile), `${JSON.stringify(Manifest.parse(next))}\n`)
    this.manifest = next
    for (const each of accept) each()
    this.pending = {}
    this.pendingBytes = 0
  }

  private filesOf(track: Track, saved: ArchivedTrack | undefined): Files {
    return {
      bytes: new TrackFile(this.directory, fileNames[track], saved),
      shipments: new TrackFile(this.directory, shipmentFileNames[track], saved?.shipmentFile),
    }
  }
}

/** What the two say together, the later one of what came after the first. */
function joined(before: TrackState | undefined, after: TrackState): TrackState {
  if (before === undefined) return after
  const { fromPosition, firstOffset } = before
  const fromNs = before.fromNs ?? after.fromNs
  const toNs = after.toNs ?? before.toNs
  return {
    ...after,
    ...{ fromPosition, firstOffset },
    gaps: [...before.gaps, ...after.gaps],
    ...(fromNs === undefined ? {} : { fromNs }),
    ...(toNs === undefined ? {} : { toNs }),
    ended: before.ended || after.ended,
  }
}

/** What makes it a capture like any other. */
function withFiles(manifest: Manifest): Manifest {
  const { gotrace, perf, perfClock } = manifest.archive!
  return {
    ...manifest,
    ...(gotrace === undefined ? {} : { gotrace: { file: gotrace.file } }),
    ...(perf === undefined
      ? {}
      : { perf: { file: perf.file, clock: perfClock ?? 'unknown', lostEvents: 0, notes: [] } }),
  }
}
