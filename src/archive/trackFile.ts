import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Grown } from '../capture/manifest.js'
import { DamagedCapture } from './damage.js'

/**
 * A file of one track in one hour: its bytes, or when they were shipped. What is appended becomes a gzip member of its own, written behind what the manifest already vouches for:
 * what a process that died has left behind is overwritten.
 */
export class TrackFile {
  private hash: Hash | undefined

  constructor(
    private readonly directory: string,
    private readonly name: string,
    /** As the manifest on the disk says; undefined when there is nothing yet. */
    private saved: Omit<Grown, 'file'> | undefined,
  ) {}

  /**
   * @returns size and checksum of the file with the bytes behind it; nothing counts before `accept` was called with them.
   * @throws DamagedCapture when the file is not what the manifest says
   */
  async append(bytes: readonly Uint8Array[]): Promise<Appended> {
    const packed = await promisify(gzip)(Buffer.concat(bytes))
    const hash = (this.hash ??= await this.hashSaved()).copy().update(packed)
    const from = this.saved?.bytes ?? 0
    const file = await open(this.path, from === 0 ? 'w' : 'r+').catch((error: unknown) => this.refuse(error))
    try {
      const { size } = await file.stat()
      if (size < from) throw this.damaged(`it has ${size} bytes, and should have ${from}: it was cut off`)
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

  private async hashSaved(): Promise<Hash> {
    const hash = createHash('sha256')
    if (this.saved === undefined || this.saved.bytes === 0) return hash
    try {
      for await (const chunk of createReadStream(this.path, { end: this.saved.bytes - 1 })) hash.update(chunk as Buffer)
    } catch (error) {
      this.refuse(error)
    }
    if (hash.copy().digest('hex') !== this.saved.sha256)
      throw this.damaged('its checksum is not the one in the manifest')
    return hash
  }

  private get path(): string {
    return join(this.directory, this.name)
  }

  private damaged(detail: string): DamagedCapture {
    return new DamagedCapture(this.directory, `${this.path}: ${detail}`)
  }

  private refuse(error: unknown): never {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT' && (this.saved?.bytes ?? 0) > 0
    throw isGone ? this.damaged('it is not there any more') : error
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
