import { type Command, InvalidArgumentError, Option } from 'commander'
import { defaultBufferBytes, defaultFrequencyHz } from '../capture/livePerf.js'
import { record, type RecordOptions } from '../capture/record.js'
import { ExitCode, UserError } from '../errors.js'
import { defaultSyscalls } from '../perf/command.js'

interface RecordFlags {
  readonly pid?: number
  readonly traceUrl?: string
  readonly traceFile?: string
  readonly duration: number
  readonly out?: string
  readonly host?: string
  readonly service?: string
  readonly frequency: number
  readonly syscalls: readonly string[]
  readonly buffer: number
  readonly keepPerfData?: boolean
}

/** `dualtrace record`: both tracks of one process into a capture directory, whose name is the result on stdout. */
export default function register(program: Command): void {
  program
    .command('record')
    .usage('(--pid N | -- CMD ARG…) [--trace-url URL | --trace-file FILE] [--duration 10s] [--out DIR]')
    .description('Record the kernel events and the Go trace of a process into a capture directory.')
    .argument('[command...]', 'a command to start and record, after --; what it prints goes to stderr')
    .option('--pid <n>', 'a running process', positiveInteger)
    .option('--trace-url <url>', 'its pprof endpoint, e.g. http://127.0.0.1:6060')
    .option('--trace-file <file>', 'the Go trace it writes itself')
    .addOption(
      new Option('--duration <time>', 'length, such as 500ms, 10s or 2m; a command is ended then')
        .argParser(durationMs)
        .default(10_000, '10s'),
    )
    .option('--out <dir>', 'capture directory to make (default: dualtrace-NAME-PID)')
    .option('--host <name>', "host name to note instead of this machine's")
    .option('--service <name>', "service name to note instead of the process's")
    .option('--frequency <hz>', 'CPU samples per second', positiveInteger, defaultFrequencyHz)
    .addOption(
      new Option('--syscalls <names>', 'system calls to trace, separated by commas; - for none')
        .argParser(names)
        .default(defaultSyscalls, defaultSyscalls.join(',')),
    )
    .option('--buffer <bytes>', "perf's ring buffer for each CPU, a power of two", powerOfTwo, defaultBufferBytes)
    .option('--keep-perf-data', 'keep perf.data beside its text')
    .action(run)
}

async function run(command: readonly string[], flags: RecordFlags): Promise<void> {
  const { duration, frequency, buffer, keepPerfData, ...same } = flags
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const { directory, missing } = await record({
    ...same,
    target: chosenTarget(command, flags.pid),
    durationMs: duration,
    frequencyHz: frequency,
    bufferBytes: buffer,
    keepPerfData: keepPerfData === true,
    signal: interrupt.signal,
    note: (text) => process.stderr.write(`${text}\n`),
  })
  process.off('SIGINT', stop)
  process.off('SIGTERM', stop)
  process.stdout.write(`${directory}\n`)
  if (missing.length > 0) throw new UserError(missing.join('; '), ExitCode.partial)
}

function chosenTarget(command: readonly string[], pid: number | undefined): RecordOptions['target'] {
  if (pid !== undefined && command.length === 0) return { pid }
  if (pid === undefined && command.length > 0) return { command }
  throw new UserError('record needs either --pid N or a command after --, such as: dualtrace record -- ./server')
}

function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value <= 0) throw new InvalidArgumentError('Give a positive whole number.')
  return value
}

function powerOfTwo(text: string): number {
  const value = positiveInteger(text)
  if (!Number.isInteger(Math.log2(value)) || value < 4096)
    throw new InvalidArgumentError('Give a power of two, 4096 or more.')
  return value
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  const value = match === null ? 0 : Number(match[1]) * unitsMs[match[2]!]!
  if (value <= 0) throw new InvalidArgumentError('Give a length such as 500ms, 10s or 2m.')
  return value
}

function names(text: string): string[] {
  const list = text === '-' ? [] : text.split(',').map((name) => name.trim())
  if (list.some((name) => !/^\w+$/.test(name))) throw new InvalidArgumentError('Give names such as read,write.')
  return list
}
