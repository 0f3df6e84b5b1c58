import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readCapture } from '../capture/directory.js'
import { type ArchivedTrack, type Manifest, manifestFile } from '../capture/manifest.js'
import { UserError } from '../errors.js'
import type { Track } from '../transport/envelope.js'
import { tracks } from '../transport/topics.js'
import { DamagedCapture } from './damage.js'
import { orNothing } from './files.js'
import { parseCaptureDirectory, sourceDirectory } from './layout.js'

/** One capture of an archive, as its manifest on the disk says. */
export interface ArchivedCapture {
  readonly directory: string
  readonly manifest: Manifest & { readonly archive: NonNullable<Manifest['archive']> }
  /** Of its files. */
  readonly bytes: number
  /** Wall time of its data, ns since the epoch; undefined when nothing in it could be dated. */
  readonly fromNs: bigint | undefined
  readonly toNs: bigint | undefined
  /** When it was last written, ms since the epoch. */
  readonly writtenMs: number
}

export interface Catalog {
  /** In the order of source, hour and stream. */
  readonly captures: readonly ArchivedCapture[]
  /** Why a directory that should be a capture cannot be used, a sentence each. */
  readonly problems: readonly string[]
}

/** @throws UserError when there is no such archive. */
export async function readCatalog(archive: string): Promise<Catalog> {
  const sources = await readdir(archive, { withFileTypes: true }).catch((error: unknown) => {
    throw new UserError(`cannot read the archive ${archive}: ${(error as Error).message}`)
  })
  const captures: ArchivedCapture[] = []
  const problems: string[] = []
  for (const source of sources.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).sort(byName))
    await readSource(join(archive, source.name), undefined, captures, problems)
  return { captures, problems }
}

/**
 * The captures of one run, in the order of their hours. None when the archive does not know it.
 * @throws UserError when one of them cannot be read
 */
export async function capturesOf(archive: string, source: string, stream: string): Promise<ArchivedCapture[]> {
  const captures: ArchivedCapture[] = []
  const problems: string[] = []
  await readSource(join(archive, sourceDirectory(source)), stream, captures, problems)
  if (problems.length > 0) throw new UserError(problems[0]!)
  return captures
}

async function readSource(
  directory: string,
  stream: string | undefined,
  captures: ArchivedCapture[],
  problems: string[],
): Promise<void> {
  const names = (await readdir(directory).catch(() => [])).sort()
  for (const name of names) {
    const parsed = parseCaptureDirectory(name)
    if (parsed === undefined || (stream !== undefined && parsed.stream !== stream)) continue
    const path = join(directory, name)
    const written = await stat(join(path, manifestFile)).catch(() => undefined)
    // Nothing counts before the manifest: a directory without one was begun by a process that died, or is just being begun.
    if (written === undefined) continue
    try {
      captures.push(await readOne(path, written.mtimeMs))
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      // Retention may take it at any moment.
      const gone = (await stat(path).catch(() => undefined)) === undefined
      if (!gone) problems.push(error.message)
    }
  }
}

/** @throws UserError when it is not a capture of an archive */
export async function readArchivedCapture(directory: string): Promise<ArchivedCapture> {
  const written = await stat(join(directory, manifestFile)).catch(() => undefined)
  return readOne(directory, written?.mtimeMs ?? 0)
}

/** Undefined when nothing has been written there. @throws DamagedCapture when something has, and it is none */
export async function findArchivedCapture(directory: string): Promise<ArchivedCapture | undefined> {
  const written = await stat(join(directory, manifestFile)).catch(orNothing)
  if (written === undefined) return undefined
  try {
    return await readOne(directory, written.mtimeMs)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    // What the disk only refuses for now is no damage, and says so here.
    await readFile(join(directory, manifestFile))
    for (const name of await readdir(directory)) await stat(join(directory, name))
    throw new DamagedCapture(directory, error.message)
  }
}

/** Directories of the captures of one run, in the order of their hours. */
export async function directoriesOf(archive: string, source: string, stream: string): Promise<string[]> {
  const directory = join(archive, sourceDirectory(source))
  const names = ((await readdir(directory).catch(orNothing)) ?? []).sort()
  return names.filter((name) => parseCaptureDirectory(name)?.stream === stream).map((name) => join(directory, name))
}

async function readOne(directory: string, writtenMs: number): Promise<ArchivedCapture> {
  const { manifest } = await readCapture(directory)
  const { archive } = manifest
  if (archive === undefined) throw new UserError(`${directory} is a capture that no archive has written`)
  return { directory, manifest: { ...manifest, archive }, ...extentOf(archive), writtenMs }
}

type Extent = Pick<ArchivedTrack, 'bytes' | 'shipmentFile' | 'fromNs' | 'toNs'>

/** Size of a capture's files and wall time of its data, ns since the epoch. */
export function extentOf(
  archive: Readonly<Partial<Record<Track, Extent | undefined>>>,
): Pick<ArchivedCapture, 'bytes' | 'fromNs' | 'toNs'> {
  const present = tracks.flatMap((track) => archive[track] ?? [])
  const bounds = (name: 'fromNs' | 'toNs') => present.flatMap((track) => track[name] ?? []).map(BigInt)
  return {
    bytes: present.reduce((sum, { bytes, shipmentFile }) => sum + bytes + (shipmentFile?.bytes ?? 0), 0),
    fromNs: extreme(bounds('fromNs'), (a, b) => a < b),
    toNs: extreme(bounds('toNs'), (a, b) => a > b),
  }
}

function extreme(values: readonly bigint[], better: (a: bigint, b: bigint) => boolean): bigint | undefined {
  return values.length === 0 ? undefined : values.reduce((best, value) => (better(value, best) ? value : best))
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
