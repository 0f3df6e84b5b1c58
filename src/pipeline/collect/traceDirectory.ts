import { appearingFiles } from './appearingFiles.js'
import type { GoTraceStatus } from './status.js'
import { bytesOfFile, type TraceFile } from './traceFiles.js'

const headerBytes = 16
/** As deploy/go names them: the trace it belongs to, and its number in that. */
const partName = /^(.+)-(\d{6,})\.trace$/

/**
 * One trace in many files, as deploy/go writes it: each begins with the trace's header and goes on where the one before it ended. One that its
 * writer removed before it was read is passed over. Files and times as in `appearingFiles`.
 */
export async function* traceDirectory(
  directory: string,
  sinceMs: number,
  signal: AbortSignal,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  let last: Part | undefined
  for await (const files of appearingFiles(directory, sinceMs, signal)) {
    for (const file of inOrder(files)) {
      const part = partOf(file)
      const goesOn = last !== undefined && part?.trace === last.trace && part.number === last.number + 1
      try {
        yield* goesOn ? without(bytesOfFile(file), headerBytes) : bytesOfFile(file)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        continue
      }
      if (!goesOn) status.traces++
      last = part
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

async function* without(chunks: AsyncIterable<Uint8Array>, leadingBytes: number): AsyncIterable<Uint8Array> {
  let left = leadingBytes
  for await (const chunk of chunks) {
    if (chunk.length > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}
