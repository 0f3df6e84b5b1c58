import { open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import type { OutMessage } from '../../transport/transport.js'
import { lockDirectory } from '../lockDirectory.js'
import { frameOf, readFrames, type UnreadableTail } from './spoolFrame.js'

/** A segment is deleted as a whole once everything in it has been sent. */
const defaultSegmentBytes = 64 << 20
/** The first number leaves room for what is put before it. */
const firstNumber = 1_000_000_000

interface Segment {
  readonly number: number
  readonly path: string
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
  /** Bytes at the ends of files that were cut off when a process died, and are not used. */
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

  /** Puts messages at the end, all or none. @returns false when they do not fit any more. @throws Error of the disk. */
  async append(messages: readonly OutMessage[]): Promise<boolean> {
    const frames = Buffer.concat(messages.map(frameOf))
    if (this.sizeBytes + frames.length > this.limitBytes) return false
    let segment = this.segments.at(-1)
    if (this.writing === undefined || segment === undefined || segment.sizeBytes >= this.segmentBytes) {
      await this.writing?.close()
      segment = await this.newSegment((segment?.number ?? firstNumber) + 1)
      this.segments.push(segment)
    }
    await this.write(segment, frames)
    return true
  }

  /** Puts messages before all others, whatever the limit says: they are older than those, and few. */
  async prepend(messages: readonly OutMessage[]): Promise<void> {
    const frames = Buffer.concat(messages.map(frameOf))
    await this.writing?.close()
    const number = (this.segments[0]?.number ?? firstNumber) - 1
    const segment = await this.newSegment(number)
    await this.write(segment, frames)
    await this.writing?.close()
    this.writing = undefined
    this.segments.unshift(segment)
  }

  /** The oldest messages, about `wantedBytes` of them; undefined when there are none. */
  async head(wantedBytes: number): Promise<SpoolBatch | undefined> {
    for (;;) {
      const segment = this.segments[0]
      if (segment === undefined) return undefined
      const { messages, endAt, tail } = await readFrames(segment.path, this.readAt, wantedBytes)
      if (messages.length > 0) return { messages, release: () => this.releaseUntil(segment, endAt) }
      this.noteTail(tail)
      await this.drop(segment)
    }
  }

  async close(): Promise<void> {
    await this.writing?.close()
    this.writing = undefined
    await this.unlock()
  }

  private async newSegment(number: number): Promise<Segment> {
    const path = join(this.directory, `${String(number).padStart(10, '0')}.spool`)
    this.writing = await open(path, 'ax', 0o600)
    return { number, path, sizeBytes: 0 }
  }

  /** A write that fails half-way is taken back, so that what follows can be read. */
  private async write(segment: Segment, frames: Buffer): Promise<void> {
    try {
      await this.writing!.write(frames)
    } catch (error) {
      await this.writing!.truncate(segment.sizeBytes).catch(() => undefined)
      throw error
    }
    segment.sizeBytes += frames.length
    this.sizeBytes += frames.length
  }

  private async releaseUntil(segment: Segment, endAt: number): Promise<void> {
    this.readAt = endAt
    if (endAt >= segment.sizeBytes) await this.drop(segment)
  }

  private async drop(segment: Segment): Promise<void> {
    if (this.segments.length === 1) {
      await this.writing?.close()
      this.writing = undefined
    }
    this.segments.shift()
    this.readAt = 0
    this.sizeBytes -= segment.sizeBytes
    await rm(segment.path, { force: true })
  }

  private noteTail(tail: UnreadableTail | undefined): void {
    this.damagedBytes += tail?.sizeBytes ?? 0
  }
}
