import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'

/** Writes the files below `dir`; leaves others alone. */
export async function writeFiles(dir: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, text] of files) {
    const target = join(dir, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text)
  }
}

export interface Drift {
  path: string
  what: 'missing' | 'different' | 'not generated'
}

/** How the files below `dir` differ from `files`; a file nobody generates counts, because Grafana would load it all the same. */
export async function findDrift(dir: string, files: ReadonlyMap<string, string>): Promise<Drift[]> {
  const found = await listFiles(dir)
  const drift: Drift[] = []
  for (const [path, text] of files) {
    if (!found.has(path)) drift.push({ path, what: 'missing' })
    else if ((await readFile(join(dir, path), 'utf8')) !== text) drift.push({ path, what: 'different' })
  }
  for (const path of found) if (!files.has(path)) drift.push({ path, what: 'not generated' })
  return drift
}

async function listFiles(dir: string): Promise<Set<string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const files = entries.filter((entry) => entry.isFile())
  return new Set(files.map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/')))
}
