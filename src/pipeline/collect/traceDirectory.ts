import { setTimeout as sleep } from 'node:timers/promises'
import type { GoTraceStatus } from './status.js'
import { bytesOfFile, completeFiles, type TraceFile } from './traceFiles.js'

const headerBytes = 16
const pollMs = 250
/** As deploy/go names them: the trace it belongs to, and its number in that. */
const partName = /^(.+)-(\d{6,})\.trace$/

/**
 * One trace in many files, as deploy/go writes it: each begins with the trace's header and goes on where the one before it ended. Files
 * last written before `sinceMs` are an earlier process's, or have been collected. Ends when the signal has come and nothing is left.
 */
export async function* traceDirectory(
  directory: string,
  sinceMs: number,
  signal: AbortSignal,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  const seen = new Set<string>()
  let last: Part | undefined
  for (;;) {
    // Looked at before the directory is: what came until then is in it.
    const isOver = signal.aborted
    const files = await completeFiles(directory)
    const fresh = files.filter(({ name, mtimeMs }) => mtimeMs >= sinceMs && !seen.has(name))
    for (const file of inOrder(fresh)) {
      seen.add(file.name)
      const part = partOf(file)
      const goesOn = last !== undefined && part?.trace === last.trace && part.number === last.number + 1
      if (!goesOn) status.traces++
      last = part
      yield* goesOn ? without(bytesOfFile(file), headerBytes) : bytesOfFile(file)
    }
    forgetAbsent(seen, files)
    if (isOver) return
    await sleep(pollMs, undefined, { signal }).catch(() => undefined)
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

/** Whoever writes the files also removes them. */
function forgetAbsent(seen: Set<string>, files: readonly TraceFile[]): void {
  const present = new Set(files.map(({ name }) => name))
  for (const name of seen) if (!present.has(name)) seen.delete(name)
}

async function* without(chunks: AsyncIterable<Uint8Array>, leadingBytes: number): AsyncIterable<Uint8Array> {
  let left = leadingBytes
  for await (const chunk of chunks) {
    if (chunk.length > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}
