import { open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import type { OutMessage } from '../../transport/transport.js'
import { lockDirectory } from '../lockDirectory.js'
import { frameOf, readFrames } from './spoolFrame.js'

/** A segment is deleted as a whole once everything in it has been sent. */
const defaultSegmentBytes = 64 << 20
/** The first number leaves room for what is put before it. */
const firstNumber = 1_000_000_000

interface Segment {
  readonly number: number
  readonly path: string
  /** Up to where there are frames. */
  sizeBytes: number
}

/** Messages taken from the head of the spool, and what to do once they are acknowledged. */
export interface SpoolBatch {
  readonly messages: readonly OutMessage[]
  /** They will not be read again. */
  release(): Promise<void>
}

/**
 * Messages on disk, first in, first out, within a limit. They survive the process: a next one goes on with them, and sends again what was
 * under way. One process at a time has a directory.
 */
export class Spool {
  /** What lies on disk now. */
  sizeBytes = 0
  /** Bytes that could not be read: cut off when a process died while it wrote, or changed by the disk. */
  damagedBytes = 0
  private writing: FileHandle | undefined
  private readAt = 0

  private constructor(
    private readonly directory: string,
    private readonly limitBytes: number,
    private readonly segmentBytes: number,
    private readonly segments: Segment[],
    private readonly unlock: () => Promise<void>,
  ) {
    this.sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
  }

  /** @throws UserError when the directory cannot be used, or another collector uses it. */
  static async open(directory: string, limitBytes: number, segmentBytes = defaultSegmentBytes): Promise<Spool> {
    try {
      const unlock = await lockDirectory(
        directory,
        (pid) => `the spool directory ${directory} is used by process ${pid}: give each collector its own`,
      )
      const names = (await readdir(directory)).filter((name) => /^\d{10}\.spool$/.test(name)).sort()
      const segments = await Promise.all(
        names.map(async (name) => {
          const path = join(directory, name)
          return { number: Number.parseInt(name, 10), path, sizeBytes: (await stat(path)).size }
        }),
      )
      return new Spool(directory, limitBytes, segmentBytes, segments, unlock)
    } catch (error) {
      if (error instanceof UserError) throw error
      throw new UserError(`the spool directory ${directory} cannot be used: ${(error as Error).message}`)
    }
  }

  /** What has not been sent yet; the rest of `sizeBytes` goes with its segment. */
  get waitingBytes(): number {
    return this.sizeBytes - this.readAt
  }

  get isEmpty(): boolean {
    return this.segments.length === 0
  }

  /** Puts messages at the end, all or none. @returns false when they do not fit any more. @throws Error of the disk: none are kept. */
  async append(messages: readonly OutMessage[]): Promise<boolean> {
    const frames = Buffer.concat(messages.map(frameOf))
    if (this.sizeBytes + frames.length > this.limitBytes) return false
    let segment = this.segments.at(-1)
    if (this.writing === undefined || segment === undefined || segment.sizeBytes >= this.segmentBytes) {
      segment = await this.newSegment((segment?.number ?? firstNumber) + 1)
      this.segments.push(segment)
    }
    await this.write(segment, frames)
    return true
  }

  /**
   * Puts messages before all others, all or none, whatever the limit says: they are older than those, and few.
   * @throws Error of the disk: none are kept.
   */
  async prepend(messages: readonly OutMessage[]): Promise<void> {
    const frames = Buffer.concat(messages.map(frameOf))
    const segment = await this.newSegment((this.segments[0]?.number ?? firstNumber) - 1)
    this.segments.unshift(segment)
    await this.write(segment, frames)
    await this.endWriting()
  }

  /** The oldest messages, about `wantedBytes` of them; undefined when there are none. @throws Error of the disk: all are kept. */
  async head(wantedBytes: number): Promise<SpoolBatch | undefined> {
    for (;;) {
      const segment = this.segments[0]
      if (segment === undefined) return undefined
      const { messages, endAt, damagedBytes } = await readFrames(
        segment.path,
        this.readAt,
        segment.sizeBytes,
        wantedBytes,
      )
      this.damagedBytes += damagedBytes
      if (messages.length > 0) return { messages, release: () => this.releaseUntil(segment, endAt) }
      await this.drop(segment)
    }
  }

  /** Drops the file that `head` could not read: what was not sent of it is lost, and counted. */
  async giveUpHead(): Promise<void> {
    const segment = this.segments[0]
    if (segment === undefined) return
    this.damagedBytes += segment.sizeBytes - this.readAt
    await this.drop(segment)
  }

  async close(): Promise<void> {
    await this.endWriting()
    await this.unlock()
  }

  private async newSegment(number: number): Promise<Segment> {
    await this.endWriting()
    const path = join(this.directory, `${String(number).padStart(10, '0')}.spool`)
    this.writing = await open(path, 'ax', 0o600)
    return { number, path, sizeBytes: 0 }
  }

  private async endWriting(): Promise<void> {
    const file = this.writing
    this.writing = undefined
    await file?.close()
  }

  /** On a full disk a part is written: it is taken back. Where that fails nothing is written behind it. */
  private async write(segment: Segment, frames: Buffer): Promise<void> {
    const file = this.writing!
    try {
      // Unlike `write`, it goes on until all is written.
      await file.appendFile(frames)
    } catch (error) {
      await file.truncate(segment.sizeBytes).catch(() => this.endWriting())
      throw error
    }
    segment.sizeBytes += frames.length
    this.sizeBytes += frames.length
  }

  private async releaseUntil(segment: Segment, endAt: number): Promise<void> {
    this.readAt = endAt
    if (endAt >= segment.sizeBytes) await this.drop(segment)
  }

  /** Where the disk will not delete the file, it is sent again after the next start, which whoever reads it notices. */
  private async drop(segment: Segment): Promise<void> {
    const isWritten = this.segments.length === 1
    this.segments.shift()
    this.readAt = 0
    this.sizeBytes -= segment.sizeBytes
    if (isWritten) await this.endWriting().catch(() => undefined)
    await rm(segment.path, { force: true }).catch(() => undefined)
  }
}
