import type { Log } from '../log.js'
import { appearingFiles } from './appearingFiles.js'
import { pauseAfterFailure, tellFailure } from './failures.js'
import type { GoTraceStatus } from './status.js'
import { bytesOfFile, type TraceFile } from './traceFiles.js'

const headerBytes = 16
/** A part that cannot be read is tried so often. */
const maxAttempts = 3
/** As deploy/go names them: the trace it belongs to, and its number in that. */
const partName = /^(.+)-(\d{6,})\.trace$/

/**
 * One trace in many files, as deploy/go writes it: each begins with the trace's header and goes on where the one before it ended. Files
 * and times as in `appearingFiles`. Behind a part that cannot be read another trace begins.
 */
export async function* traceDirectory(
  directory: string,
  sinceMs: number,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  let last: Part | undefined
  for await (const files of appearingFiles(directory, sinceMs, signal)) {
    for (const file of inOrder(files)) {
      const part = partOf(file)
      const goesOn = last !== undefined && part?.trace === last.trace && part.number === last.number + 1
      if (!goesOn) status.traces++
      const isWhole = yield* bytesOfPart(file, goesOn ? headerBytes : 0, signal, log, status)
      last = isWhole ? part : undefined
    }
  }
}

interface Part {
  readonly trace: string
  readonly number: number
}

function partOf({ name }: TraceFile): Part | undefined {
  const match = partName.exec(name)
  return match === null ? undefined : { trace: match[1]!, number: Number(match[2]) }
}

/** Parts of one trace by number: two may have been finished in the same instant. */
function inOrder(files: readonly TraceFile[]): TraceFile[] {
  return [...files].sort((a, b) => {
    const [left, right] = [partOf(a), partOf(b)]
    return left !== undefined && left.trace === right?.trace ? left.number - right.number : a.mtimeMs - b.mtimeMs
  })
}

/** @returns whether all of it could be read */
async function* bytesOfPart(
  file: TraceFile,
  fromByte: number,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncGenerator<Uint8Array, boolean> {
  const { path } = file
  let at = fromByte
  for (let attempt = 1; ; attempt++) {
    try {
      for await (const chunk of bytesOfFile(file, at)) {
        at += chunk.length
        yield chunk
      }
      return true
    } catch (error) {
      tellFailure(error, status, log, { path }, 'a part of the trace cannot be read')
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT'
      if (isGone || attempt === maxAttempts) return false
      await pauseAfterFailure(signal)
    }
  }
}
