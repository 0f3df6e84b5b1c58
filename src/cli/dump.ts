import { once } from 'node:events'
import type { Command } from 'commander'
import { type Input, openInput } from '../capture/input.js'
import { ExitCode, UserError } from '../errors.js'
import { formatEvent, GoTraceReader, kindOf } from '../gotrace/index.js'
import { PerfScriptReader, recordToJson } from '../perf/index.js'
import { holding } from './held.js'

interface DumpFlags {
  readonly stacks?: true
  readonly count?: true
  readonly strict?: true
}

/** What both readers have in common, as far as a dump needs it. */
interface Track {
  push(chunk: Uint8Array): void
  end(): void
  next(): boolean
  problems(): readonly { readonly offsetBytes: number; readonly detail: string }[]
  problemCounts(): ReadonlyMap<string, number>
  /** The current event as text, and the name it is counted by. */
  text(): string
  name(): string
}

/** Text is handed to stdout in pieces of about this many characters. */
const pieceLength = 1 << 17

/** `dualtrace dump`: every event of one track, in order. */
export default function register(program: Command): void {
  program
    .command('dump')
    .description(
      'Print every event of a Go trace (as `go tool trace -d=parsed`) or of perf script text (as JSON lines).',
    )
    .argument('<file>', 'a Go execution trace, perf script text, or perf.data (- for stdin, .gz is read as is)')
    .option('--stacks', 'also print the stacks of a Go trace (perf events always have theirs)')
    .option('--count', 'print no events but their number by kind, as one JSON object')
    .option('--strict', 'stop at the first problem instead of reading on behind it')
    .action((file: string, flags: DumpFlags) => holding([file], () => dump(file, flags)))
}

async function dump(file: string, flags: DumpFlags): Promise<void> {
  const input = await openInput(file)
  const track = openTrack(input, flags)
  const counts = new Map<string, number>()
  let events = 0
  let text = ''
  const drain = async () => {
    for (; track.next(); events++) {
      if (flags.count === true) counts.set(track.name(), (counts.get(track.name()) ?? 0) + 1)
      else text += `${track.text()}\n`
      if (text.length > pieceLength) {
        await write(text)
        text = ''
      }
    }
  }
  for await (const chunk of input.chunks) {
    track.push(chunk)
    await drain()
  }
  track.end()
  await drain()
  const notes = [...describe(track, input.name), ...input.damage.map((detail) => `${input.name}: ${detail}`)]
  if (events === 0) throw new UserError(notes[0] ?? `${input.name} has no events`)
  if (flags.count === true) text = `${JSON.stringify(Object.fromEntries([...counts].sort()))}\n`
  await write(text)
  for (const note of notes) process.stderr.write(`dualtrace: ${note}\n`)
  if (notes.length > 0) process.exitCode = ExitCode.partial
}

function openTrack(input: Input, flags: DumpFlags): Track {
  const strict = flags.strict ?? false
  switch (input.kind) {
    case 'gotrace':
      return goTrack(new GoTraceReader({ strict }), flags.stacks ?? false)
    case 'perf-script':
      return perfTrack(new PerfScriptReader({ strict }))
    case 'empty':
      throw new UserError(`${input.name} is empty`)
    case 'unknown':
      throw new UserError(`${input.name} is neither a Go execution trace nor the text of perf script`)
  }
}

function goTrack(reader: GoTraceReader, stacks: boolean): Track {
  const options = { stacks }
  const { event } = reader
  return {
    ...reading(reader),
    text: () => formatEvent(event, reader, options),
    name: () => kindOf(event.type),
  }
}

function perfTrack(reader: PerfScriptReader): Track {
  const { record } = reader
  return {
    ...reading(reader),
    text: () => JSON.stringify(recordToJson(record, reader)),
    name: () => (record.eventId >= 0 ? reader.eventName(record.eventId) : record.printedName),
  }
}

function reading(reader: GoTraceReader | PerfScriptReader): Omit<Track, 'text' | 'name'> {
  return {
    push: (chunk) => reader.push(chunk),
    end: () => reader.end(),
    next: () => reader.next(),
    problems: () => reader.problems,
    problemCounts: () => reader.problemCounts,
  }
}

function describe(track: Track, name: string): string[] {
  const notes = track.problems().map(({ offsetBytes, detail }) => `${name}, byte ${offsetBytes}: ${detail}`)
  const all = [...track.problemCounts().values()].reduce((sum, count) => sum + count, 0)
  if (all > notes.length) notes.push(`${name}: and ${all - notes.length} more problems`)
  return notes
}

/** Waits when stdout is full. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}
