import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
/** What rows follow from, besides the bytes. */
const folders = ['gotrace', 'perf', 'clock', 'stacks', 'timeline', 'measures', 'findings', 'analysis']

/** Tells programs apart that may compute other rows from the same bytes: the hash of the code that does. */
export async function rowsVersion(): Promise<string> {
  const hash = createHash('sha256')
  for (const folder of [...folders, 'pipeline/reprocess']) {
    const names = await readdir(join(root, folder), { recursive: true })
    for (const name of names.filter((each) => each.endsWith('.js')).sort())
      hash.update(`${folder}/${name}\n`).update(await readFile(join(root, folder, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
