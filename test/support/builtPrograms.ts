import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'

/** A directory for Go programs that stay, one for each process of mocha's: none is replaced while another process runs it. */
export function builtPrograms(kind: string): string {
  const directory = resolve('.dualtrace', kind, process.env['MOCHA_WORKER_ID'] ?? '0')
  mkdirSync(directory, { recursive: true })
  return directory
}
