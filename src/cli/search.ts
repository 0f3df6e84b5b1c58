import { type Command, InvalidArgumentError } from 'commander'
import { ExitCode, UserError } from '../errors.js'
import type { Match } from '../pipeline/search/protocol.js'
import { formatNs, formatWallNs } from './archiveText.js'
import { type Progress, startProgress } from './progress.js'
import { parseWallTime } from './selection.js'
import { stopSignal } from './signals.js'

interface SearchFlags {
  readonly since?: string
  readonly until?: string
  readonly source?: string
  readonly workers?: number
  readonly json?: boolean
}

/** `dualtrace search`: the rare one, in a day of archives. */
export default function register(program: Command): void {
  program
    .command('search')
    .usage('ARCHIVE… CONDITION [--since T] [--until T] [--source NAME] [--json]')
    .description('List what fits a condition in archives, such as "gc pause > 10ms", with its file, time and evidence.')
    .argument('<what...>', 'archive directories, and last the condition')
    .option('--since <time>', 'from here on: ISO time or ns since the epoch')
    .option('--until <time>', 'before this')
    .option('--source <name>', 'of this source only')
    .option('--workers <n>', 'captures read at a time (default: one for each CPU)', positiveInteger)
    .option('--json', 'print one JSON object')
    .action(run)
}

async function run(what: string[], flags: SearchFlags): Promise<void> {
  const condition = what.at(-1)!
  const archives = what.slice(0, -1)
  if (archives.length === 0) throw new UserError('give an archive directory and a condition, such as "gc pause > 10ms"')
  const { search } = await import('../pipeline/search/search.js')
  let progress: Progress | undefined
  try {
    const result = await search({
      archives,
      condition,
      sinceNs: flags.since === undefined ? undefined : parseWallTime('--since', flags.since),
      untilNs: flags.until === undefined ? undefined : parseWallTime('--until', flags.until),
      source: flags.source,
      workers: flags.workers,
      onNote: (text) => void process.stderr.write(`dualtrace: ${text}\n`),
      onTotal: (bytes) => void startProgress('search', bytes).then((started) => (progress = started)),
      onProgress: (bytes) => progress?.advance(bytes),
      signal: stopSignal(),
    })
    progress?.stop()
    const { captures, matches, problems } = result
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, condition, ...result })}\n`)
    else {
      for (const match of matches) process.stdout.write(textOf(match))
      process.stderr.write(`dualtrace: ${matches.length} found in ${captures} captures\n`)
    }
    for (const problem of problems) process.stderr.write(`dualtrace: ${problem}\n`)
    if (problems.length > 0) process.exitCode = ExitCode.partial
  } finally {
    progress?.stop()
  }
}

function textOf({ capture, source, from, durationNs, table, evidence }: Match): string {
  const facts = Object.entries(evidence)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${String(value)}`)
  return `${formatWallNs(from)}  ${formatNs(durationNs)}  ${source}\n    ${table}: ${facts.join(' ')}\n    ${capture}\n`
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}
