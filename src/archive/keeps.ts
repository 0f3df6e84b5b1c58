import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { makeDirectory, replaceFile } from './durable.js'
import { orNothing } from './files.js'
import { keepDirectory, shortHash } from './layout.js'
import { withArchiveLock } from './lease.js'

const decimalNs = z.string().regex(/^\d{1,20}$/)

/** A window of raw data that retention leaves alone. */
const Keep = z.strictObject({
  /** Undefined: of every source. */
  source: z.string().optional(),
  fromNs: decimalNs,
  toNs: decimalNs,
  reason: z.string(),
})
export type Keep = z.infer<typeof Keep>

/** A keep as it lies in the archive. */
export interface StoredKeep {
  /** Name of its file, without the ending. */
  readonly id: string
  /** When it was last written, ms since the epoch. */
  readonly keptMs: number
  /** Undefined: it cannot be read. */
  readonly keep: Keep | undefined
  /** Why it cannot be read. */
  readonly problem?: string
  /** Whose data it keeps, as `whoOf` says, and of which time at most, ns since the epoch. */
  readonly who: string
  readonly fromNs: bigint | undefined
  readonly toNs: bigint | undefined
}

const everybody = 'all'
const ending = '.json'

/**
 * Writes it down, and says under which id. One with the same begin, source and reason is replaced: it was the same, as far as it had gone. Nothing is
 * deleted meanwhile, so what is there when this begins is kept.
 */
export async function addKeep(archive: string, keep: Keep): Promise<string> {
  await makeDirectory(join(archive, keepDirectory))
  const checked = Keep.parse(keep)
  const id = idOf(checked)
  await withArchiveLock(archive, () => replaceFile(keepPath(archive, id), `${JSON.stringify(checked)}\n`))
  return id
}

/** @returns false when there is none. */
export async function removeKeep(archive: string, id: string): Promise<boolean> {
  const known = await keepIds(archive)
  if (!known.includes(id)) return false
  await withArchiveLock(archive, () => rm(keepPath(archive, id), { force: true }))
  return true
}

/** All of them, in the order of ids. @throws Error when they cannot be listed: then nothing may be deleted. */
export async function readKeeps(archive: string): Promise<StoredKeep[]> {
  const keeps: StoredKeep[] = []
  // One after the other: there may be more than a process may have open.
  for (const id of await keepIds(archive)) keeps.push(...((await readKeep(archive, id)) ?? []))
  return keeps
}

export async function keepIds(archive: string): Promise<string[]> {
  const names = (await readdir(join(archive, keepDirectory)).catch(orNothing)) ?? []
  const files = names.filter((name) => name.endsWith(ending) && !name.startsWith('.'))
  return files.map((name) => name.slice(0, -ending.length)).sort()
}

/** None when it is not there any more. One that cannot be read is taken to keep all that its name does not rule out. */
export async function readKeep(archive: string, id: string): Promise<[StoredKeep] | undefined> {
  const path = keepPath(archive, id)
  let keptMs = Date.now()
  try {
    keptMs = (await stat(path)).mtimeMs
    const keep = Keep.parse(JSON.parse(await readFile(path, 'utf8')))
    return [{ id, keptMs, keep, who: whoOf(keep.source), fromNs: BigInt(keep.fromNs), toNs: BigInt(keep.toNs) }]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    const [, begin, who = everybody] = /^(\d{1,20})-([0-9a-f]{16}|all)-[0-9a-f]{16}$/.exec(id) ?? []
    const fromNs = begin === undefined ? undefined : BigInt(begin)
    return [{ id, keptMs, keep: undefined, problem: (error as Error).message, who, fromNs, toNs: undefined }]
  }
}

export function keepPath(archive: string, id: string): string {
  return join(archive, keepDirectory, id + ending)
}

interface Dated {
  readonly source: string
  readonly fromNs: bigint | undefined
  readonly toNs: bigint | undefined
}

/** Why a capture is kept; none: nobody asked for it. */
export function reasonsFor(keeps: readonly StoredKeep[], capture: Dated): string[] {
  return keeps
    .filter((keep) => [everybody, whoOf(capture.source)].includes(keep.who) && touches(keep, capture))
    .map(({ id, keep }) => keep?.reason ?? `the keep ${id}, which cannot be read`)
}

/** What cannot be dated may be what a keep means. */
export function touches(keep: Pick<StoredKeep, 'fromNs' | 'toNs'>, { fromNs, toNs }: Omit<Dated, 'source'>): boolean {
  const endsBefore = keep.toNs !== undefined && fromNs !== undefined && keep.toNs < fromNs
  const beginsAfter = keep.fromNs !== undefined && toNs !== undefined && keep.fromNs > toNs
  return !endsBefore && !beginsAfter
}

/** Whose data, in the name of a keep: told without reading it. */
export function whoOf(source: string | undefined): string {
  return source === undefined ? everybody : shortHash(source)
}

function idOf({ source, fromNs, reason }: Keep): string {
  return `${fromNs}-${whoOf(source)}-${shortHash(JSON.stringify([source, fromNs, reason]))}`
}
