import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/stack/paths.js'

/** Cells of the rows of the table in docs/operations.md whose heading begins so; the first and the last cell are empty. */
export function operationsTable(heading: string): string[][] {
  const lines = readFileSync(join(packageRoot(), 'docs/operations.md'), 'utf8').split('\n')
  const start = lines.findIndex((line) => line.startsWith(heading)) + 2
  const rows = lines.slice(start, lines.indexOf('', start))
  return rows.map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
}
