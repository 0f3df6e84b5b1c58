import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import type { SavedAnalysis } from '../../analysis/analysis.js'
import { replaceFile } from '../../archive/durable.js'
import type { Wall } from '../../clock/wall.js'
import type { Track } from '../../transport/envelope.js'
import { checkpointVersion, packState, unpackState } from '../checkpoint.js'

/** What somebody who begins to read a run at one of its later hours must know of all before it. */
export interface Carried {
  readonly saved: SavedAnalysis
  /** What was added to the archive's positions to count those of `saved`. */
  readonly shift: Readonly<Record<Track, number>>
  readonly wall: Wall
}

const fileName = `begin.${checkpointVersion}.state`
const anyVersion = /^begin\.\d+\.state$/

/** Whether the capture has one that this program can go on from. */
export async function hasCarried(directory: string): Promise<boolean> {
  return (await stat(join(directory, fileName)).catch(() => undefined)) !== undefined
}

/** @throws Error when there is none, or it cannot be read. */
export async function loadCarried(directory: string): Promise<Carried> {
  return read(join(directory, fileName))
}

/** The wall time that an earlier reading of the run went by, also one of another version of the states; undefined when there was none. */
export async function carriedWall(directories: readonly string[]): Promise<Wall | undefined> {
  for (const directory of directories) {
    const names = await readdir(directory).catch(() => [])
    for (const name of names.filter((each) => anyVersion.test(each))) {
      const carried = await read(join(directory, name)).catch(() => undefined)
      if (carried?.wall !== undefined) return carried.wall
    }
  }
  return undefined
}

/** Puts it into the capture, so that it is deleted with it. A capture that has just been deleted takes none. */
export async function saveCarried(directory: string, carried: Carried): Promise<void> {
  const packed = await packState(serialize(carried))
  try {
    await replaceFile(join(directory, fileName), packed)
    const others = (await readdir(directory)).filter((name) => anyVersion.test(name) && name !== fileName)
    for (const name of others) await rm(join(directory, name), { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

async function read(path: string): Promise<Carried> {
  return (await unpackState(await readFile(path))) as Carried
}
