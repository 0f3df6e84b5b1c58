import { realpath } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { parseCaptureDirectory } from '../archive/layout.js'

/** Runs a command that reads these captures and files of captures, which retention leaves alone meanwhile as far as they lie in an archive. */
export async function holding(paths: readonly (string | undefined)[], command: () => Promise<void>): Promise<void> {
  const directories = new Set<string>()
  for (const path of paths) for (const directory of await captureOf(path)) directories.add(directory)
  // Most of what is read lies in no archive, and what leases need takes time to load.
  if (directories.size === 0) return command()
  const { whileHeld } = await import('../archive/readLease.js')
  await whileHeld([...directories], (text) => void process.stderr.write(`dualtrace: ${text}\n`), command)
}

/** The directory that is or has it, when its name is one that archives give. What is not there is for the command to say. */
async function captureOf(path: string | undefined): Promise<string[]> {
  if (path === undefined || path === '-') return []
  const real = await realpath(path).catch(() => '')
  const found = [real, dirname(real)].find((each) => parseCaptureDirectory(basename(each)) !== undefined)
  return found === undefined ? [] : [found]
}
