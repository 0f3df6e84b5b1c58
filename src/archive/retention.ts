import { readdir, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { CaptureIndex, type IndexedCapture } from './captureIndex.js'
import { makeDirectory, syncDirectory } from './durable.js'
import { KeepIndex } from './keepIndex.js'
import { trashDirectory } from './layout.js'
import { leasedDirectories, withArchiveLock } from './lease.js'

export interface RetentionLimits {
  /** Captures whose data is older go; undefined: age does not matter. */
  readonly maxAgeMs: number | undefined
  /** While all files together are larger, the oldest capture goes; undefined: size does not matter. */
  readonly maxBytes: number | undefined
  /** A keep that was last written so long ago keeps nothing any more, and is removed; undefined: it stays until somebody removes it. */
  readonly keepForMs: number | undefined
}

export interface RetentionResult {
  readonly deleted: readonly string[]
  readonly deletedBytes: number
  /** What is still above the limit of size because it is kept or being read. */
  readonly aboveBytes: number
  /** Why something that should have been deleted is still there, a sentence each. */
  readonly problems: readonly string[]
}

/**
 * Deletes what is too old or too much, the oldest first, and never what a keep names or somebody holds a lease on. What it knows of an archive it
 * remembers from one time to the next.
 */
export class Retention {
  readonly index: CaptureIndex
  readonly keeps: KeepIndex

  constructor(
    private readonly archive: string,
    private readonly limits: RetentionLimits,
  ) {
    this.index = new CaptureIndex(archive)
    this.keeps = new KeepIndex(archive)
  }

  async apply(nowMs = Date.now()): Promise<RetentionResult> {
    const { maxAgeMs, maxBytes } = this.limits
    await this.emptyTrash()
    const captures = await this.index.refresh()
    this.keeps.forgetUnreadable()
    await this.keeps.refresh()
    await this.removeOldKeeps(nowMs)
    const oldestFirst = captures.sort((a, b) => endMs(a) - endMs(b))
    const deleted: string[] = []
    const problems: string[] = []
    let totalBytes = captures.reduce((sum, { bytes }) => sum + bytes, 0)
    const beforeBytes = totalBytes
    for (const capture of oldestFirst) {
      const isTooOld = maxAgeMs !== undefined && endMs(capture) < nowMs - maxAgeMs
      const isTooMuch = maxBytes !== undefined && totalBytes > maxBytes
      if ((!isTooOld && !isTooMuch) || this.keeps.isKept(capture)) continue
      try {
        if (!(await this.putAway(capture))) continue
      } catch (error) {
        problems.push((error as Error).message)
        continue
      }
      totalBytes -= capture.bytes
      deleted.push(capture.directory)
    }
    await this.emptyTrash()
    const aboveBytes = maxBytes === undefined ? 0 : Math.max(0, totalBytes - maxBytes)
    return { deleted, deletedBytes: beforeBytes - totalBytes, aboveBytes, problems }
  }

  private async removeOldKeeps(nowMs: number): Promise<void> {
    const { keepForMs } = this.limits
    const old = keepForMs === undefined ? [] : this.keeps.writtenBefore(nowMs - keepForMs)
    if (old.length === 0) return
    await withArchiveLock(this.archive, async () => {
      for (const each of old) await this.keeps.remove(each)
    })
    await this.keeps.refresh()
  }

  /** Takes a capture out of the archive in one step, unless somebody holds it, has written to it or has kept it meanwhile. */
  private async putAway(capture: IndexedCapture): Promise<boolean> {
    const { archive } = this
    const { directory } = capture
    const trash = join(archive, trashDirectory)
    await makeDirectory(trash)
    return withArchiveLock(archive, async () => {
      await this.keeps.refresh()
      if (this.keeps.isKept(capture)) return false
      if ((await leasedDirectories(archive)).has(relative(archive, directory))) return false
      if (!(await this.index.isCurrent(capture))) return false
      await rename(directory, join(trash, `${basename(dirname(directory))}~${basename(directory)}`.slice(-250)))
      await syncDirectory(dirname(directory))
      await rmdir(dirname(directory)).catch(() => undefined)
      return true
    })
  }

  private async emptyTrash(): Promise<void> {
    const trash = join(this.archive, trashDirectory)
    for (const name of await readdir(trash).catch(() => []))
      await rm(join(trash, name), { recursive: true, force: true })
  }
}

function endMs({ toNs, writtenMs }: IndexedCapture): number {
  return toNs === undefined ? writtenMs : Number(toNs / 1_000_000n)
}
