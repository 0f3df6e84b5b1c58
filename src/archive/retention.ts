import { readdir, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { type ArchivedCapture, readCatalog } from './catalog.js'
import { makeDirectory, syncDirectory } from './durable.js'
import { readKeeps, reasonsFor } from './keeps.js'
import { trashDirectory } from './layout.js'
import { leasedDirectories, withArchiveLock } from './lease.js'

export interface RetentionLimits {
  /** Captures whose data is older go; undefined: age does not matter. */
  readonly maxAgeMs: number | undefined
  /** While all files together are larger, the oldest capture goes; undefined: size does not matter. */
  readonly maxBytes: number | undefined
}

export interface RetentionResult {
  readonly deleted: readonly string[]
  readonly deletedBytes: number
  /** What is still above the limit of size because it is kept or being read. */
  readonly aboveBytes: number
}

/** Deletes what is too old or too much, the oldest first, and never what a keep names or somebody holds a lease on. */
export async function applyRetention(
  archive: string,
  { maxAgeMs, maxBytes }: RetentionLimits,
  nowMs = Date.now(),
): Promise<RetentionResult> {
  await emptyTrash(archive)
  const { captures } = await readCatalog(archive)
  const keeps = await readKeeps(archive)
  const oldestFirst = [...captures].sort((a, b) => endMs(a) - endMs(b))
  const deleted: string[] = []
  let totalBytes = captures.reduce((sum, { bytes }) => sum + bytes, 0)
  const beforeBytes = totalBytes
  for (const capture of oldestFirst) {
    const isTooOld = maxAgeMs !== undefined && endMs(capture) < nowMs - maxAgeMs
    const isTooMuch = maxBytes !== undefined && totalBytes > maxBytes
    if ((!isTooOld && !isTooMuch) || reasonsFor(keeps, capture).length > 0) continue
    if (!(await putAway(archive, capture.directory))) continue
    totalBytes -= capture.bytes
    deleted.push(capture.directory)
  }
  await emptyTrash(archive)
  const aboveBytes = maxBytes === undefined ? 0 : Math.max(0, totalBytes - maxBytes)
  return { deleted, deletedBytes: beforeBytes - totalBytes, aboveBytes }
}

function endMs({ toNs, writtenMs }: ArchivedCapture): number {
  return toNs === undefined ? writtenMs : Number(toNs / 1_000_000n)
}

/** Takes a capture out of the archive in one step, unless somebody holds it or a keep has come meanwhile. */
async function putAway(archive: string, directory: string): Promise<boolean> {
  const trash = join(archive, trashDirectory)
  await makeDirectory(trash)
  return withArchiveLock(archive, async () => {
    if ((await leasedDirectories(archive)).has(relative(archive, directory))) return false
    await rename(directory, join(trash, `${basename(dirname(directory))}~${basename(directory)}`.slice(-250)))
    await syncDirectory(dirname(directory))
    await rmdir(dirname(directory)).catch(() => undefined)
    return true
  })
}

async function emptyTrash(archive: string): Promise<void> {
  const trash = join(archive, trashDirectory)
  for (const name of await readdir(trash).catch(() => [])) await rm(join(trash, name), { recursive: true, force: true })
}
