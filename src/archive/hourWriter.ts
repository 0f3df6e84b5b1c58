import { join } from 'node:path'
import { type ArchivedTrack, Manifest, manifestFile } from '../capture/manifest.js'
import type { Track } from '../transport/envelope.js'
import { makeDirectory, replaceFile } from './durable.js'
import { TrackFile } from './trackFile.js'

const fileNames: Readonly<Record<Track, string>> = { gotrace: 'go.trace.gz', perf: 'perf.script.gz' }

/** Everything of a track's entry but what the file itself decides. */
export type TrackState = Omit<ArchivedTrack, 'file' | 'bytes' | 'sha256'>

interface Pending {
  readonly bytes: Uint8Array[]
  state: TrackState
}

/** One capture of the archive while it grows. What was appended counts from the moment the manifest that says so is on the disk. */
export class HourWriter {
  pendingBytes = 0
  private pending: Partial<Record<Track, Pending>> = {}
  private readonly files: Partial<Record<Track, TrackFile>> = {}

  /** @param manifest as it lies on the disk, or, for a new capture, without tracks */
  constructor(
    readonly directory: string,
    private manifest: Manifest,
  ) {}

  get hour(): string {
    return this.manifest.archive!.hour
  }

  /** State of a track including what has not been written. */
  state(track: Track): TrackState | undefined {
    return this.pending[track]?.state ?? this.manifest.archive![track]
  }

  append(track: Track, bytes: readonly Uint8Array[], state: TrackState): void {
    const pending = (this.pending[track] ??= { bytes: [], state })
    pending.bytes.push(...bytes)
    pending.state = state
    for (const { length } of bytes) this.pendingBytes += length
  }

  /** Writes what was appended. May be called again after it failed, and does nothing twice. */
  async flush(): Promise<void> {
    const taken = Object.entries(this.pending) as [Track, Pending][]
    if (taken.length === 0) return
    await makeDirectory(this.directory)
    const archive = { ...this.manifest.archive! }
    const accept: (() => void)[] = []
    for (const [track, { bytes, state }] of taken) {
      const before = archive[track]
      if (bytes.length === 0 && before !== undefined) {
        archive[track] = { ...before, ...state }
        continue
      }
      const file = (this.files[track] ??= new TrackFile(this.directory, fileNames[track], before))
      const appended = await file.append(bytes)
      accept.push(() => file.accept(appended))
      archive[track] = { ...state, file: fileNames[track], bytes: appended.bytes, sha256: appended.sha256 }
    }
    const next = withFiles({ ...this.manifest, archive })
    await replaceFile(join(this.directory, manifestFile), `${JSON.stringify(Manifest.parse(next))}\n`)
    this.manifest = next
    for (const each of accept) each()
    this.pending = {}
    this.pendingBytes = 0
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
