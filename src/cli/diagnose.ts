import { createWriteStream } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isatty } from 'node:tty'
import { type Command, Option } from 'commander'
import { ExitCode, UserError } from '../errors.js'
import { type Export, exportKinds, Exports, parseExport, requireStacksIn } from '../export/index.js'
import { severities, type Severity } from '../findings/finding.js'
import type { OutRow } from '../measures/measure.js'
import type { StackRoot } from '../measures/stackTime.js'
import type { Thresholds } from '../measures/thresholds.js'
import { analyzeOffline, openCapture, openFiles, type OfflineOptions, type OfflineResult } from '../pipeline/offline.js'
import type { OfflineSource } from '../pipeline/offlineSource.js'
import { followTask } from '../pipeline/followTask.js'
import { parseThreshold, thresholdNames } from '../pipeline/thresholds.js'
import { followedTables, followedTasks } from '../report/followed.js'
import { jsonText, toJsonResult } from '../report/json.js'
import { RowTotals, totalledTables } from '../report/rowTotals.js'
import { renderTerminal, terminalTables } from '../report/terminal.js'
import { wrapped } from '../report/wrapped.js'
import { holding } from './held.js'
import { startProgress } from './progress.js'
import { addSelectionOptions, type SelectionFlags, selectionOf } from './selection.js'
import { requireTraceFor, stackRootOption } from './stackRoot.js'

interface DiagnoseFlags extends SelectionFlags {
  readonly trace?: string
  readonly perf?: string
  readonly taskId?: string
  readonly json?: string
  readonly export?: readonly Export[]
  readonly by?: StackRoot
  readonly threshold?: Partial<Thresholds>
  readonly failOn?: Severity
}

/** `dualtrace diagnose`: what went wrong in a capture, and where the time went. */
export default function register(program: Command): void {
  const command = program
    .command('diagnose')
    .usage(
      'CAPTURE | --trace FILE [--perf FILE]  [--task-id ID] [--goroutine N] [--from T] [--to T] [--around CONDITION] [--json FILE] [--export KIND=FILE] [--by ROOT] [--threshold NAME=VALUE] [--fail-on SEVERITY]',
    )
    .description('Say what went wrong in a capture, with evidence from Go and the kernel, and where the time went.')
    .argument('[capture]', 'capture directory made by `dualtrace record`')
    .option('--trace <file>', 'a Go execution trace (- for stdin, .gz is read as is)')
    .option('--perf <file>', 'the text of perf script, or perf.data (- for stdin, .gz is read as is)')
    .option(
      '--task-id <id>',
      'look only at the user task with this number, or that logged this in a category like task-id',
    )
    .option('--json <file>', 'also write the whole result as JSON (- for stdout, instead of the text)')
    .option('--export <kind=file>', `also write it as ${exportKinds.join(', ')}; can be given again`, addExport)
    .addOption(stackRootOption('with --export of stacks'))
    .option(
      '--threshold <name=value>',
      `from where on something is told, and is a finding; can be given again. Names and defaults: ${thresholdNames().join(', ')}`,
      addThreshold,
    )
    .addOption(new Option('--fail-on <severity>', 'exit 1 when a finding is at least this bad').choices(severities))
    .action((capture: string | undefined, flags: DiagnoseFlags) =>
      holding([capture, flags.trace, flags.perf], () => diagnose(capture, flags)),
    )
  addSelectionOptions(command)
}

function addExport(text: string, before: readonly Export[] | undefined): readonly Export[] {
  return [...(before ?? []), parseExport(text)]
}

function addThreshold(text: string, before: Partial<Thresholds> | undefined): Partial<Thresholds> {
  return { ...before, ...parseThreshold(text) }
}

async function diagnose(capture: string | undefined, flags: DiagnoseFlags): Promise<void> {
  const { taskId, by } = flags
  const exports = flags.export ?? []
  if (by !== undefined) requireStacksIn(exports)
  const found = taskId && (await followTask(await openAgain('--task-id', capture, flags), taskId, followedTables))
  const followed = found ? followedTasks(found.follower, found.rows) : undefined
  const tasks = found ? found.follower.found : undefined
  const gate = await selectionOf(flags, () => openAgain('--around', capture, flags), tasks)
  let totals = new RowTotals()
  const source = await open(capture, flags)
  requireTraceFor(by, source.inputs.gotrace !== undefined)
  const result = await analyze(source, { exports, by }, () => {
    const shown = new Set(terminalTables)
    const tables = flags.json === undefined ? new Set([...shown, ...totalledTables]) : undefined
    totals = new RowTotals()
    const onRow = (row: OutRow) => {
      totals.add(row)
      return tables === undefined || shown.has(row.table)
    }
    return { gate, tables, thresholds: flags.threshold, onRow }
  })
  const { summary } = result
  if (summary.goEvents === 0 && summary.perfRecords === 0) throw new UserError(nothingReadable(result))
  const json = () => jsonText(toJsonResult(result, followed))
  if (flags.json === '-') {
    await writeAll(json(), process.stdout)
  } else {
    const isTerminal = isatty(1)
    const color = isTerminal && process.env['NO_COLOR'] === undefined
    const text = renderTerminal(result, color, { followed, totals })
    process.stdout.write(isTerminal ? wrapped(text, process.stdout.columns) : text)
    if (flags.json !== undefined) await save(flags.json, json())
  }
  process.exitCode = exitCode(result, flags.failOn)
}

/** Shows how far it has come, when both sizes are known. */
async function analyze(
  source: OfflineSource,
  wanted: { readonly exports: readonly Export[]; readonly by: StackRoot | undefined },
  options: () => Pick<OfflineOptions, 'gate' | 'tables' | 'thresholds' | 'onRow'>,
): Promise<OfflineResult> {
  let exports: Exports | undefined
  const sizes = Object.values(source.inputs).map((input) => input.sizeBytes)
  const totalBytes = sizes.reduce((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0)
  const progress = await startProgress('diagnose', totalBytes)
  let shownBytes = 0
  try {
    const result = await analyzeOffline(source, () => {
      exports?.discard()
      const chosen = options()
      exports = new Exports(wanted.exports, { gate: chosen.gate, by: wanted.by })
      return {
        ...chosen,
        listeners: exports.listeners,
        observers: exports.observers,
        onProgress(readBytes) {
          progress.advance(Math.max(0, readBytes - shownBytes))
          shownBytes = Math.max(shownBytes, readBytes)
        },
      }
    })
    exports?.finish(`${result.names.service} on ${result.names.host}`)
    return result
  } catch (error) {
    exports?.discard()
    throw error
  } finally {
    progress.stop()
  }
}

/** For what reads the input before it is analysed. */
async function openAgain(option: string, capture: string | undefined, flags: DiagnoseFlags): Promise<OfflineSource> {
  if (flags.trace === '-' || flags.perf === '-') {
    throw new UserError(`${option} reads the input twice, which stdin (-) cannot: give files`)
  }
  return open(capture, flags)
}

async function open(capture: string | undefined, { trace, perf }: DiagnoseFlags) {
  if (capture !== undefined && (trace !== undefined || perf !== undefined)) {
    throw new UserError('give a capture directory or --trace and --perf, not both')
  }
  if (capture !== undefined) return openCapture(capture)
  if (trace === undefined && perf === undefined) {
    throw new UserError('nothing to diagnose: give a capture directory, or --trace FILE and --perf FILE')
  }
  return openFiles(trace, perf)
}

/** By way of pieces of some size: a write for each row would take longer than making it. */
async function writeAll(texts: Iterable<string>, output: Writable): Promise<void> {
  function* pieces() {
    let piece = ''
    for (const text of texts) {
      piece += text
      if (piece.length < 1 << 16) continue
      yield piece
      piece = ''
    }
    yield piece
  }
  await pipeline(Readable.from(pieces()), output, { end: output !== process.stdout })
}

async function save(path: string, texts: Iterable<string>): Promise<void> {
  try {
    await writeAll(texts, createWriteStream(path))
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${(error as Error).message}`)
  }
}

function nothingReadable({ summary }: OfflineResult): string {
  const first = summary.problems[0]
  return first === undefined ? 'the input holds no events' : `nothing could be read: ${first.detail}`
}

function exitCode({ findings, summary }: OfflineResult, failOn: Severity | undefined): ExitCode {
  const bad = failOn !== undefined && findings.some((f) => severities.indexOf(f.severity) >= severities.indexOf(failOn))
  if (bad) return ExitCode.findings
  return summary.problems.length > 0 ? ExitCode.partial : ExitCode.ok
}
