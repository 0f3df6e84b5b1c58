import { type Command, InvalidArgumentError, Option } from 'commander'
import { ExitCode, UserError } from '../errors.js'
import { questdbLoginFrom } from '../store/login.js'
import { parseDuration, parseWallTime } from './selection.js'
import { type Progress, startProgress } from './progress.js'
import { stopSignal } from './signals.js'

interface ReprocessFlags {
  readonly since?: string
  readonly until?: string
  readonly pipeline?: string
  readonly questdb: string
  readonly workers?: number
  readonly checkpointEvery: string
  readonly fresh?: boolean
  readonly whole?: boolean
  readonly json?: boolean
}

/** `dualtrace reprocess`: the rows of a range, computed again from the archive. */
export default function register(program: Command): void {
  program
    .command('reprocess')
    .description('Compute the rows of a range again from the archive, and write them over those in QuestDB.')
    .argument('<archive...>', 'archive directories, as `dualtrace run pipelines/archive.yaml` writes them')
    .option('--since <time>', 'rows from here on: ISO time or ns since the epoch (default: from the begin)')
    .option('--until <time>', 'rows before this (default: to the end)')
    .option(
      '--pipeline <file>',
      "QuestDB's address and the thresholds of this normalizer, such as pipelines/normalize.yaml",
    )
    .addOption(
      new Option('--questdb <url>', 'QuestDB, over its HTTP port')
        .env('DUALTRACE_QUESTDB')
        .default('http://127.0.0.1:9000'),
    )
    .option('--workers <n>', 'sources computed at a time (default: one for each CPU)', positiveInteger)
    .option('--checkpoint-every <duration>', 'how much is computed again after a kill, at most', '10s')
    .option('--fresh', 'forget what an interrupted attempt has finished')
    .option(
      '--whole',
      'read every run from its begin, so that nothing before the range is unknown; it takes as long as the run is old',
    )
    .option('--json', 'print the result as JSON')
    .action(run)
}

async function run(archives: string[], flags: ReprocessFlags): Promise<void> {
  const { reprocess } = await import('../pipeline/reprocess/job.js')
  const signal = stopSignal()
  let progress: Progress | undefined
  try {
    const result = await reprocess({
      archives,
      ...(await settingsOf(flags)),
      range: {
        sinceNs: flags.since === undefined ? undefined : parseWallTime('--since', flags.since),
        untilNs: flags.until === undefined ? undefined : parseWallTime('--until', flags.until),
      },
      workers: flags.workers,
      checkpointEveryMs: parseDuration('--checkpoint-every', flags.checkpointEvery) / 1e6,
      fresh: flags.fresh,
      whole: flags.whole,
      onNote: (text) => void process.stderr.write(`dualtrace: ${text}\n`),
      onTotal: (bytes) => void startProgress('reprocess', bytes).then((started) => (progress = started)),
      onProgress: (bytes) => progress?.advance(bytes),
      signal,
    })
    progress?.stop()
    const { runs, runsBefore, failedRuns, sources, rows, readBytes, warmUpBytes, problems } = result
    const before = runsBefore === 0 ? '' : `; ${runsBefore} had been finished before`
    const failed = failedRuns === 0 ? '' : `; ${failedRuns} failed`
    const text = `${rows.toLocaleString('en')} rows of ${runs} runs of ${sources} sources written${before}${failed}; ${megabytes(readBytes)} read, ${megabytes(warmUpBytes)} of them before the range`
    process.stdout.write(`${flags.json === true ? JSON.stringify(result) : text}\n`)
    for (const problem of problems) process.stderr.write(`dualtrace: ${problem}\n`)
    if (problems.length > 0) process.exitCode = ExitCode.partial
  } catch (error) {
    progress?.stop()
    if (signal.aborted) throw new UserError('stopped; the same command goes on from here')
    throw error
  }
}

async function settingsOf({ pipeline: path, questdb }: ReprocessFlags) {
  if (path === undefined) return { questdb: { url: questdb, ...questdbLoginFrom(process.env) }, thresholds: undefined }
  const { loadPipeline } = await import('../pipeline/load.js')
  const pipeline = await loadPipeline(path)
  if (pipeline.kind !== 'normalize' && pipeline.kind !== 'reprocess')
    throw new UserError(`${path} is of kind ${pipeline.kind}: --pipeline takes one that says where QuestDB is`)
  return { questdb: pipeline.questdb, thresholds: pipeline.thresholds }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB`
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}
