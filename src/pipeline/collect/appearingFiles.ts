import { setTimeout as sleep } from 'node:timers/promises'
import { completeFiles, type TraceFile } from './traceFiles.js'

const pollMs = 250
/** For so long after the signal a file is waited for: longer than it takes to see that one is finished to which nobody writes. */
const lastLooksMs = 3000

/**
 * The files that appear in a directory, as soon as their writer has finished them, those that have since the last look in the order of time. Files last
 * written before `sinceMs` are an earlier process's, or have been collected. Ends when the signal has come and nothing is left that will soon be finished.
 */
export async function* appearingFiles(
  directory: string,
  sinceMs: number,
  signal: AbortSignal,
): AsyncIterable<TraceFile[]> {
  const seen = new Set<string>()
  let untilMs = Infinity
  for (;;) {
    // Looked at before the directory is: what came until then is in it.
    const isOver = signal.aborted
    if (isOver) untilMs = Math.min(untilMs, Date.now() + lastLooksMs)
    const { files, growing } = await completeFiles(directory)
    const fresh = files.filter(({ name, mtimeMs }) => mtimeMs >= sinceMs && !seen.has(name))
    for (const { name } of fresh) seen.add(name)
    if (fresh.length > 0) yield fresh
    forgetAbsent(seen, files)
    if (isOver && (growing === 0 || Date.now() >= untilMs)) return
    // The last file of a process that has ended is read, too, when it is seen to be finished.
    await sleep(pollMs, undefined, isOver ? {} : { signal }).catch(() => undefined)
  }
}

/** Whoever writes the files also removes them. */
function forgetAbsent(seen: Set<string>, files: readonly TraceFile[]): void {
  const present = new Set(files.map(({ name }) => name))
  for (const name of seen) if (!present.has(name)) seen.delete(name)
}
