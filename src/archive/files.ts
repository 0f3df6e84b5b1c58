import { readFile, stat } from 'node:fs/promises'

/** For a `catch`: what is not there is undefined. @throws every other error */
export function orNothing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  return undefined
}

/** Undefined when it cannot be read, or is no JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch {
    return undefined
  }
}

/** Which file lies there, and when it was last written, ms since the epoch: every `replaceFile` makes another version. Undefined: none. */
export async function versionOf(path: string): Promise<{ version: string; writtenMs: number } | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  if (found === undefined) return undefined
  return { version: `${found.mtimeNs} ${found.ino} ${found.size}`, writtenMs: Number(found.mtimeMs) }
}
