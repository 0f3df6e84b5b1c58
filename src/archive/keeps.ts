import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { makeDirectory, replaceFile } from './durable.js'
import { keepDirectory } from './layout.js'

const decimalNs = z.string().regex(/^\d+$/)

/** A window of raw data that retention leaves alone. */
const Keep = z.strictObject({
  /** Undefined: of every source. */
  source: z.string().optional(),
  fromNs: decimalNs,
  toNs: decimalNs,
  reason: z.string(),
})
export type Keep = z.infer<typeof Keep>

/** Writes it down. One with the same begin, source and reason is replaced: it was the same, as far as it had gone. */
export async function addKeep(archive: string, keep: Keep): Promise<void> {
  const directory = join(archive, keepDirectory)
  await makeDirectory(directory)
  const checked = Keep.parse(keep)
  const identity = JSON.stringify([checked.source, checked.fromNs, checked.reason])
  const name = `${createHash('sha256').update(identity).digest('hex').slice(0, 32)}.json`
  await replaceFile(join(directory, name), `${JSON.stringify(checked)}\n`)
}

/** @throws Error when one cannot be read: then nothing may be deleted. */
export async function readKeeps(archive: string): Promise<Keep[]> {
  const directory = join(archive, keepDirectory)
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const files = names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).sort()
  return Promise.all(
    files.map(async (name) => Keep.parse(JSON.parse(await readFile(join(directory, name), 'utf8')) as unknown)),
  )
}

interface Dated {
  readonly source: string
  readonly fromNs: bigint | undefined
  readonly toNs: bigint | undefined
}

/** Why a capture is kept; none: nobody asked for it. What cannot be dated may be what a keep means. */
export function reasonsFor(keeps: readonly Keep[], { source, fromNs, toNs }: Dated): string[] {
  const meant = keeps.filter(
    (keep) =>
      (keep.source === undefined || keep.source === source) &&
      (fromNs === undefined || BigInt(keep.toNs) >= fromNs) &&
      (toNs === undefined || BigInt(keep.fromNs) <= toNs),
  )
  return meant.map(({ reason }) => reason)
}
