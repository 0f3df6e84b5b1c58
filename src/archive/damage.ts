import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rmdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeDirectory, replaceFile, syncDirectory } from './durable.js'
import { orNothing } from './files.js'
import { damagedDirectory } from './layout.js'

/** A capture that cannot be gone on with, however often that is tried. */
export class DamagedCapture extends Error {
  constructor(
    readonly directory: string,
    message: string,
  ) {
    super(message)
  }
}

/** What was put aside. */
export interface Aside {
  readonly directory: string
  /** A sentence. */
  readonly reason: string
}

const reasonFile = 'damage.txt'

/**
 * Takes a damaged capture out of everybody's way, with all that is in it. Nothing but a person deletes it there.
 * @returns where it is now; undefined when there was nothing to keep.
 */
export async function putAside(
  archive: string,
  { directory, message }: Pick<DamagedCapture, 'directory' | 'message'>,
): Promise<string | undefined> {
  const names = await readdir(directory).catch(orNothing)
  if (names === undefined) return undefined
  if (names.length === 0) {
    await rmdir(directory)
    return undefined
  }
  const aside = join(archive, damagedDirectory)
  await makeDirectory(aside)
  const name = `${basename(dirname(directory))}~${basename(directory)}`.slice(0, 230)
  const path = join(aside, `${name}~${randomBytes(4).toString('hex')}`)
  await replaceFile(join(directory, reasonFile), `${message}\n`)
  await rename(directory, path)
  await syncDirectory(dirname(directory))
  await syncDirectory(aside)
  return path
}

/** All that was put aside, in the order of names. */
export async function readAside(archive: string): Promise<Aside[]> {
  const aside = join(archive, damagedDirectory)
  const names = (await readdir(aside).catch(orNothing)) ?? []
  return Promise.all(
    names.sort().map(async (name) => {
      const directory = join(aside, name)
      const reason = await readFile(join(directory, reasonFile), 'utf8').catch(() => 'nobody has written down why')
      return { directory, reason: reason.trim() }
    }),
  )
}
