import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The path a name or path would be executed from, by the rules of a shell; undefined when there is none. */
export async function findExecutable(file: string): Promise<string | undefined> {
  const candidates = file.includes('/')
    ? [file]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, file))
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
