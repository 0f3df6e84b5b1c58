import { realpath } from 'node:fs/promises'
import type { Command } from 'commander'
import { addKeep, readKeeps, removeKeep, type StoredKeep } from '../archive/keeps.js'
import { UserError } from '../errors.js'
import { formatCount } from '../findings/units.js'
import { formatWallNs } from './archiveText.js'
import { parseWallTime } from './selection.js'

/** The commands of `dualtrace archive` that say what retention leaves alone. */
export function registerKeeps(archive: Command): void {
  archive
    .command('keep')
    .description('Keep a window of raw data safe from retention.')
    .argument('<archive>', 'archive directory')
    .requiredOption('--since <time>', 'begin: ISO time or ns since the epoch')
    .requiredOption('--until <time>', 'end')
    .option('--source <name>', 'of this source (default: of all)')
    .option('--reason <text>', 'why', 'kept by hand')
    .action(keep)
  archive
    .command('keeps')
    .description('List what is kept: window, source, reason, since when, and the id for `unkeep`.')
    .argument('<archive>', 'archive directory')
    .option('--json', 'print JSON')
    .action(list)
  archive
    .command('unkeep')
    .description('Leave to retention what was kept.')
    .argument('<archive>', 'archive directory')
    .argument('[id...]', 'keeps, as `archive keeps` names them')
    .option('--reason <text>', 'all that are kept for this reason')
    .action(unkeep)
}

interface KeepFlags {
  readonly since: string
  readonly until: string
  readonly source?: string
  readonly reason: string
}

async function keep(directory: string, { since, until, source, reason }: KeepFlags): Promise<void> {
  const fromNs = parseWallTime('--since', since)
  const toNs = parseWallTime('--until', until)
  if (toNs < fromNs) throw new UserError('--until lies before --since')
  const archive = await realArchive(directory)
  const who = source === undefined ? {} : { source }
  await addKeep(archive, { ...who, fromNs: String(fromNs), toNs: String(toNs), reason })
  process.stdout.write(`kept: ${source ?? 'every source'}, ${formatWallNs(fromNs)} to ${formatWallNs(toNs)}\n`)
}

async function list(directory: string, { json }: { readonly json?: boolean }): Promise<void> {
  const keeps = await readKeeps(await realArchive(directory))
  if (json === true) {
    const entries = keeps.map(({ id, keptMs, keep, problem }) => ({
      id,
      keptMs: Math.trunc(keptMs),
      ...keep,
      ...(problem === undefined ? {} : { problem }),
    }))
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, keeps: entries })}\n`)
    return
  }
  for (const each of keeps) process.stdout.write(`${lineOf(each)}\n    ${each.id}\n`)
  process.stderr.write(`dualtrace: ${formatCount(keeps.length, 'keep')}\n`)
}

function lineOf({ keep, keptMs, problem }: StoredKeep): string {
  const since = `kept on ${formatWallNs(BigInt(Math.trunc(keptMs)) * 1_000_000n)}`
  if (keep === undefined) return `cannot be read: ${problem ?? ''}  ${since}`
  const { source = 'every source', fromNs, toNs, reason } = keep
  return `${formatWallNs(fromNs)} to ${formatWallNs(toNs)}  ${source}  ${reason}  ${since}`
}

async function unkeep(directory: string, ids: readonly string[], { reason }: { reason?: string }): Promise<void> {
  if ((ids.length === 0) === (reason === undefined))
    throw new UserError('give the ids that `dualtrace archive keeps` lists, or --reason TEXT')
  const archive = await realArchive(directory)
  const meant =
    reason === undefined
      ? ids
      : (await readKeeps(archive)).filter(({ keep }) => keep?.reason === reason).map(({ id }) => id)
  for (const id of meant)
    if (!(await removeKeep(archive, id)) && reason === undefined) throw new UserError(`there is no keep ${id}`)
  process.stdout.write(`${formatCount(meant.length, 'keep')} removed\n`)
}

/** @throws UserError when there is no such directory */
export async function realArchive(directory: string): Promise<string> {
  try {
    return await realpath(directory)
  } catch (error) {
    throw new UserError(`there is no archive ${directory}: ${(error as Error).message}`)
  }
}
