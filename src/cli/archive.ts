import type { Command } from 'commander'
import { type ArchivedCapture, readArchivedCapture, readCatalog } from '../archive/catalog.js'
import { readAside } from '../archive/damage.js'
import { readKeeps, reasonsFor } from '../archive/keeps.js'
import { holdIfPossible } from '../archive/readLease.js'
import { verifyCapture } from '../archive/verify.js'
import { ExitCode } from '../errors.js'
import { tracks } from '../transport/topics.js'
import { formatCount } from '../findings/units.js'
import { formatBytes, formatWallNs } from './archiveText.js'
import { realArchive, registerKeeps } from './archiveKeeps.js'

/** `dualtrace archive`: what the archive holds, and whether it is whole. */
export default function register(program: Command): void {
  const archive = program.command('archive').description('Look after the archive of raw captures.')
  archive
    .command('list')
    .description('List its captures: source, hour, time range, size, and whether an alert keeps them.')
    .argument('<archive>', 'archive directory')
    .option('--json', 'print JSON')
    .action(list)
  archive
    .command('show')
    .description('Show one capture of it; `dualtrace diagnose` reads the same directory.')
    .argument('<capture>', 'a directory that `archive list` names')
    .option('--json', 'print JSON')
    .action(show)
  archive
    .command('verify')
    .description('Compare every file with its checksum and read it to its end; exits 3 when something is damaged.')
    .argument('<archive>', 'archive directory')
    .option('--json', 'print JSON')
    .action(verify)
  registerKeeps(archive)
}

interface Output {
  readonly json?: boolean
}

async function list(directory: string, { json }: Output): Promise<void> {
  const archive = await realArchive(directory)
  const { captures, problems: unusable } = await readCatalog(archive)
  const problems = [...unusable, ...(await damaged(archive))]
  const keeps = await readKeeps(archive)
  const entries = captures.map((capture) =>
    entryOf(capture, reasonsFor(keeps, { ...capture, source: capture.manifest.source })),
  )
  if (json === true) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, captures: entries, problems })}\n`)
  else {
    for (const { source, hour, from, to, bytes, kept, capture } of entries) {
      const range = from === null || to === null ? 'undated' : `${formatWallNs(from)} to ${formatWallNs(to).slice(11)}`
      const note = kept.length === 0 ? '' : `  kept: ${kept.join('; ')}`
      process.stdout.write(`${source}  ${hour}  ${range}  ${formatBytes(bytes)}${note}\n    ${capture}\n`)
    }
    const total = captures.reduce((sum, { bytes }) => sum + bytes, 0)
    process.stderr.write(`dualtrace: ${formatCount(captures.length, 'capture')}, ${formatBytes(total)}\n`)
  }
  tell(problems)
}

function entryOf({ directory, manifest, bytes, fromNs, toNs }: ArchivedCapture, kept: readonly string[]) {
  const { source, archive } = manifest
  return {
    source,
    stream: archive.stream,
    hour: archive.hour,
    from: fromNs === undefined ? null : String(fromNs),
    to: toNs === undefined ? null : String(toNs),
    bytes,
    kept,
    capture: directory,
  }
}

async function show(directory: string, { json }: Output): Promise<void> {
  const { manifest } = await readArchivedCapture(directory)
  if (json === true) {
    process.stdout.write(`${JSON.stringify(manifest)}\n`)
    return
  }
  const { source, service, host, archive } = manifest
  const lines = [
    `source  ${source}`,
    `service ${service} on ${host}`,
    `run     ${archive.run ?? archive.stream}`,
    `hour    ${archive.hour} UTC`,
  ]
  for (const track of tracks) {
    const entry = archive[track]
    if (entry === undefined) continue
    const { fromNs, toNs, reached, fromPosition, firstOffset, partition, gaps, ended } = entry
    const lost = gaps.reduce((sum, [, bytes]) => sum + bytes, 0)
    const facts = [
      `${formatBytes(entry.bytes)} (${formatBytes(reached.fedPosition - fromPosition)} unpacked)`,
      ...(fromNs === undefined || toNs === undefined
        ? []
        : [`${formatWallNs(fromNs)} to ${formatWallNs(toNs).slice(11)}`]),
      `offsets ${firstOffset} to ${BigInt(reached.offset) - 1n} of partition ${partition}`,
      ...(lost === 0 ? [] : [`${formatBytes(lost)} never arrived, in ${gaps.length} places`]),
      ...(ended ? ['ended'] : []),
    ]
    lines.push(`${track.padEnd(7)} ${entry.file}: ${facts.join(', ')}`, `        sha256 ${entry.sha256}`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function verify(directory: string, { json }: Output): Promise<void> {
  const archive = await realArchive(directory)
  const { captures, problems } = await readCatalog(archive)
  const leases = await holdIfPossible(
    archive,
    captures.map((capture) => capture.directory),
    (text) => void process.stderr.write(`dualtrace: ${text}\n`),
  )
  const found = [...problems, ...(await damaged(archive))]
  try {
    for (const capture of captures) {
      found.push(...(await verifyCapture(capture)))
    }
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
  if (json === true)
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, captures: captures.length, problems: found })}\n`)
  else if (found.length === 0) process.stdout.write(`${captures.length} captures, all as their manifests say\n`)
  else process.stdout.write(`${found.join('\n')}\n`)
  if (found.length > 0) process.exitCode = ExitCode.partial
}

/** What the archiver has put aside, a sentence each. */
async function damaged(archive: string): Promise<string[]> {
  const aside = await readAside(archive)
  return aside.map(
    ({ directory, reason }) => `${directory} was put aside: ${reason}; use what can be used of it, then remove it`,
  )
}

function tell(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`dualtrace: ${problem}\n`)
  if (problems.length > 0) process.exitCode = ExitCode.partial
}
