import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ArchivedTrack } from '../capture/manifest.js'

/**
 * The file of one track in one hour. What is appended becomes a gzip member of its own, written behind what the manifest already vouches for:
 * what a process that died has left behind is overwritten.
 */
export class TrackFile {
  private hash: Hash | undefined

  constructor(
    private readonly directory: string,
    private readonly name: string,
    /** As the manifest on the disk says; undefined when there is nothing yet. */
    private saved: Pick<ArchivedTrack, 'bytes' | 'sha256'> | undefined,
  ) {}

  /** @returns size and checksum of the file with the bytes behind it; nothing counts before `accept` was called with them. */
  async append(bytes: readonly Uint8Array[]): Promise<Appended> {
    const packed = await promisify(gzip)(Buffer.concat(bytes))
    const hash = (this.hash ??= await this.hashSaved()).copy().update(packed)
    const from = this.saved?.bytes ?? 0
    const file = await open(join(this.directory, this.name), from === 0 ? 'w' : 'r+')
    try {
      await writeAll(file, packed, from)
      await file.truncate(from + packed.length)
      await file.sync()
    } finally {
      await file.close()
    }
    return { hash, bytes: from + packed.length, sha256: hash.copy().digest('hex') }
  }

  /** The manifest that says so is on the disk. */
  accept({ hash, bytes, sha256 }: Appended): void {
    this.hash = hash
    this.saved = { bytes, sha256 }
  }

  /** @throws Error when the file is not what the manifest says. */
  private async hashSaved(): Promise<Hash> {
    const hash = createHash('sha256')
    if (this.saved === undefined || this.saved.bytes === 0) return hash
    const path = join(this.directory, this.name)
    for await (const chunk of createReadStream(path, { end: this.saved.bytes - 1 })) hash.update(chunk as Buffer)
    const found = hash.copy().digest('hex')
    if (found !== this.saved.sha256) throw new Error(`${path} is not what its manifest says: its checksum differs`)
    return hash
  }
}

interface Appended {
  readonly hash: Hash
  readonly bytes: number
  readonly sha256: string
}

async function writeAll(file: FileHandle, bytes: Uint8Array, from: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, from + done)
    done += bytesWritten
  }
}
