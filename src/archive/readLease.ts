import { dirname, join } from 'node:path'
import { z } from 'zod'
import { manifestFile } from '../capture/manifest.js'
import { groupBy } from '../groupBy.js'
import { readJson } from './files.js'
import { captureDirectory } from './layout.js'
import { Lease } from './lease.js'

/** What of a manifest says where the archive has put the capture; its files need not be whole to be read. */
const Place = z.object({ source: z.string(), archive: z.object({ stream: z.string(), hour: z.string() }) })

/**
 * Holds captures of archives while `task` reads them, until it ends in whatever way; a process that is killed holds nothing any more. Directories
 * that no archive looks after (copies, what was put aside) are left alone.
 *
 * @param directories real paths, without symbolic links
 * @param onNote told where nothing can be held, as the archive cannot be written: it is read all the same
 */
export async function whileHeld<T>(
  directories: readonly string[],
  onNote: (text: string) => void,
  task: () => Promise<T>,
): Promise<T> {
  const own: string[] = []
  for (const directory of directories) if (await isInArchive(directory)) own.push(directory)
  const leases: Lease[] = []
  try {
    for (const [archive, held] of groupBy(own, archiveOf)) leases.push(...(await holdIfPossible(archive, held, onNote)))
    return await task()
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

/** As `Lease.take`; none, and a note, where the archive cannot be written. */
export async function holdIfPossible(
  archive: string,
  directories: readonly string[],
  onNote: (text: string) => void,
): Promise<Lease[]> {
  try {
    return [await Lease.take(archive, directories)]
  } catch (error) {
    onNote(`what is read of ${archive} cannot be kept from retention meanwhile: ${(error as Error).message}`)
    return []
  }
}

async function isInArchive(directory: string): Promise<boolean> {
  const place = Place.safeParse(await readJson(join(directory, manifestFile))).data
  if (place === undefined) return false
  return captureDirectory(archiveOf(directory), { source: place.source, ...place.archive }) === directory
}

function archiveOf(directory: string): string {
  return dirname(dirname(directory))
}
