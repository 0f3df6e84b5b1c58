import { type Command, Option } from 'commander'
import { type Input, openInput } from '../capture/input.js'
import { openPlainFile } from '../capture/plainFile.js'
import { ExitCode, UserError } from '../errors.js'
import { PerfScriptReader, plainEventName, type ProblemName } from '../perf/index.js'
import { StackFolder, type Weight, weights } from '../stacks/stackFolder.js'
import type { JoinedFlags } from './foldJoined.js'
import { holding } from './held.js'
import { printLines } from './printLines.js'
import { startProgress } from './progress.js'
import { stackRootOption } from './stackRoot.js'
import { type SymbolFlags, Symbols } from './symbols.js'

interface FoldFlags extends SymbolFlags, JoinedFlags {
  readonly event?: string
  readonly all?: true
  readonly weight?: Weight
  readonly shortGenerics?: true
}

/** Distinct printed lines the reader remembers; names and sums outlive them, so fewer cost time only. */
const internLimit = 1 << 17
/** Problems named with their line; the others are counted. */
const namedProblems = 10
/** What spoils a profile. A time, an event's name or a full count of tracepoints is not needed for one. */
const spoiling: ReadonlySet<ProblemName> = new Set([
  'unreadable_line',
  'line_too_long',
  'orphan_frame',
  'stack_too_deep',
])

/** Options that choose and name samples; folding time does it by itself. */
const ofSamples = ['event', 'all', 'weight', 'binary', 'symfs', 'inline', 'shortGenerics']

/** `dualtrace fold`: stacks on one line each, for flame graphs. */
export default function register(program: Command): void {
  program
    .command('fold')
    .description(
      'Print folded stacks, "comm;caller;callee WEIGHT", as stackcollapse-perf.pl and inferno-collapse-perf do.',
    )
    .argument('<file>', 'perf script text, or perf.data (- for stdin, .gz is read as is)')
    .addOption(new Option('--event <name>', 'fold this event; without it, the first one in the file').conflicts('all'))
    .option('--all', 'fold the samples of every event together')
    .addOption(
      new Option(
        '--weight <kind>',
        "period: the sum of the samples' periods, 1 where none is printed (default; with --all: count); " +
          "count: the number of samples; time: ns until the thread's next sample",
      ).choices(weights),
    )
    .option(
      '--binary <file>',
      'name the functions of a stripped Go program from FILE, or from NAME=FILE when it ran as NAME; can be given again ' +
        '(by default, the file at the path perf printed)',
      (file: string, files: readonly string[] | undefined) => [...(files ?? []), file],
    )
    .option('--symfs <dir>', 'look for programs below this folder')
    .option('--inline', 'in those programs, also show the functions that the compiler inlined')
    .option(
      '--short-generics',
      'write [...] for the type arguments of Go functions: then a program and its stripped copy fold alike also when Go 1.18 to 1.20 built them',
    )
    .addOption(
      new Option('--trace <file>', 'the Go trace of the same time: fold time (ns) under what ran').conflicts(ofSamples),
    )
    .addOption(stackRootOption('with --trace'))
    .addOption(new Option('--off-cpu', 'fold the time off CPU (ns), with the reason at the leaf').conflicts(ofSamples))
    .action((file: string, flags: FoldFlags) => holding([file, flags.trace], () => fold(file, flags)))
}

async function fold(file: string, flags: FoldFlags): Promise<void> {
  if (flags.trace !== undefined || flags.by !== undefined || flags.offCpu === true) {
    const { foldJoined } = await import('./foldJoined.js')
    return foldJoined(file, flags)
  }
  const reader = new PerfScriptReader({ internLimit })
  const all = flags.all ?? false
  const event = flags.event === undefined ? undefined : plainEventName(flags.event)
  const weight = flags.weight ?? (all ? 'count' : 'period')
  const symbols = new Symbols(flags)
  const folder = new StackFolder(reader, { all, event, weight, shortGenerics: flags.shortGenerics, ...symbols.options })
  const failure = await read(file, reader, () => {
    while (reader.next()) {
      symbols.see(reader.record)
      folder.add()
    }
  })
  symbols.close()
  const samples = new Map(folder.samples.map((count, id) => [reader.eventName(id), count]))
  refuse(file, folder, samples, event, failure)
  await printLines(folder.lines())
  const notes = problems(reader, file)
  if (failure !== undefined) notes.push(failure)
  if (notes.length > 0) process.exitCode = ExitCode.partial
  notes.push(...symbols.notes(folder.namedShare))
  if (!all && samples.size > 1) notes.push(selection(samples, event))
  for (const note of notes) process.stderr.write(`dualtrace: ${note}\n`)
}

/** Reads the whole input; `drain` takes what the reader has. @returns why it could not be read to its end */
async function read(file: string, reader: PerfScriptReader, drain: () => void): Promise<string | undefined> {
  const input = (file === '-' ? undefined : openPlainFile(file)) ?? (await openInput(file))
  refuseKind(file, input.kind)
  const progress = await startProgress('fold', input.sizeBytes)
  const take = (readBytes: number) => {
    drain()
    progress.advance(readBytes)
  }
  try {
    if ('damage' in input) return await readInput(input, reader, take)
    for (const bytes of input.readInto((sizeBytes) => reader.room(sizeBytes))) {
      reader.fill(bytes)
      take(bytes)
    }
  } catch (error) {
    // What came before perf script failed is worth having.
    return error instanceof UserError ? error.message : `${file}: ${(error as Error).message}`
  } finally {
    progress.stop()
    reader.end()
    drain()
  }
  return undefined
}

/** `take` is told after every chunk how many bytes of the file it took (of the chunk itself where there is no file). */
async function readInput(
  input: Input,
  reader: PerfScriptReader,
  take: (readBytes: number) => void,
): Promise<string | undefined> {
  let before = 0
  for await (const chunk of input.chunks) {
    const { readBytes } = input
    reader.push(chunk)
    take(input.sizeBytes === undefined ? chunk.length : readBytes - before)
    before = readBytes
  }
  const [damage] = input.damage
  return damage === undefined ? undefined : `${input.name}: ${damage}`
}

/** @throws UserError when the file is nothing to be folded */
function refuseKind(file: string, kind: Input['kind']): void {
  if (kind === 'empty') throw new UserError(`${file} is empty`)
  if (kind === 'gotrace') {
    throw new UserError(`${file} is a Go execution trace: fold reads perf.data or the text of perf script`)
  }
}

/** @throws UserError when nothing can be folded */
function refuse(
  file: string,
  folder: StackFolder,
  samples: ReadonlyMap<string, number>,
  event: string | undefined,
  failure: string | undefined,
): void {
  if (samples.size === 0)
    throw new UserError(failure ?? `${file} has no samples: fold needs perf.data or the text of perf script`)
  if (event !== undefined && !samples.has(event)) {
    throw new UserError(`${file} has no samples of ${event}, but of ${listed(samples)}`)
  }
  if (folder.timeless > 0) {
    throw new UserError(
      `${file} has ${folder.timeless} samples without a usable time: write the text with "time" among the fields of -F, or weigh by count`,
    )
  }
}

function selection(samples: ReadonlyMap<string, number>, event: string | undefined): string {
  const [chosen, ...others] = [...samples].sort(([a], [b]) => Number(b === event) - Number(a === event))
  return `folded ${listed([chosen!])}; not ${listed(others)}: choose with --event NAME, or take all with --all`
}

function listed(samples: Iterable<readonly [string, number]>): string {
  const longest = 8
  const names = [...samples].map(([name, count]) => `${name || 'an event without a name'} (${count} samples)`)
  return names.length <= longest
    ? names.join(', ')
    : `${names.slice(0, longest).join(', ')} and ${names.length - longest} more events`
}

function problems(reader: PerfScriptReader, file: string): string[] {
  const notes = reader.problems
    .filter(({ name }) => spoiling.has(name))
    .slice(0, namedProblems)
    .map(({ line, detail }) => `${file}, line ${line}: ${detail}`)
  let all = 0
  for (const name of spoiling) all += reader.problemCounts.get(name) ?? 0
  if (all > notes.length) notes.push(`${file}: and ${all - notes.length} more problems`)
  return notes
}
