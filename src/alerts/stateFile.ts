import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { UserError } from '../errors.js'
import { AlertState } from './state.js'

const StateFile = z.strictObject({
  schemaVersion: z.literal(1),
  alerts: z.array(AlertState),
  /** When messages went to the robot lately, ms: its limit holds across our restarts. */
  sentMs: z.array(z.number()),
})
export type StateFile = z.infer<typeof StateFile>

/** @throws UserError when the file is there but not ours. */
export async function loadState(path: string): Promise<StateFile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { schemaVersion: 1, alerts: [], sentMs: [] }
    throw new UserError(`cannot read the alert state ${path}: ${(error as Error).message}`)
  }
  const parsed = StateFile.safeParse(parseJson(text))
  if (!parsed.success)
    throw new UserError(`${path} is not an alert state file: remove it, or name another with --state`)
  return parsed.data
}

/** Replaces the file in one step: a reader sees the old one or the new one, also after a crash. */
export async function saveState(path: string, state: StateFile): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, JSON.stringify(state, null, 2) + '\n')
    await rename(temporary, path)
  } catch (error) {
    throw new UserError(`cannot write the alert state ${path}: ${(error as Error).message}`)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
