import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.js'
import type { GoTraceStatus } from './status.js'

const readBytes = 1 << 18
const pollMs = 200
/** After the process has ended the file is read on until nothing has come for so long. */
const settleMs = 500
/** … but one that lives and goes on writing is not read for longer than this after the signal. */
const lastReadsMs = 2000

/**
 * A trace that the process writes to a file by itself, as it grows. A file that is replaced, or begins anew, is read from its start: it is
 * another trace. What a file holds that is older than `sinceMs` belongs to an earlier process.
 */
export async function* tailTraceFile(
  path: string,
  sinceMs: number,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  let file: { handle: FileHandle; inode: number; at: number } | undefined
  let quietSinceMs = Date.now()
  let waiting = false
  let untilMs = Infinity
  try {
    for (;;) {
      const info = await stat(path).catch(() => undefined)
      const isOurs = info !== undefined && info.mtimeMs >= sinceMs
      if (file !== undefined && info !== undefined && (info.ino !== file.inode || info.size < file.at)) {
        yield* rest(file)
        await file.handle.close()
        file = undefined
      }
      if (file === undefined && isOurs) {
        file = { handle: await open(path, 'r'), inode: info.ino, at: 0 }
        status.traces++
        log.info({ path }, 'reading the trace the process writes')
      } else if (file === undefined && !waiting) {
        waiting = true
        log.info({ path }, 'waiting for the process to write its trace')
      }
      let gotSome = false
      if (file !== undefined) {
        for await (const chunk of rest(file)) {
          gotSome = true
          yield chunk
        }
      }
      const nowMs = Date.now()
      if (gotSome) quietSinceMs = nowMs
      if (signal.aborted) untilMs = Math.min(untilMs, nowMs + lastReadsMs)
      if (nowMs >= untilMs || (signal.aborted && nowMs - quietSinceMs >= settleMs)) return
      if (!gotSome) await sleep(pollMs)
    }
  } finally {
    await file?.handle.close()
  }
}

async function* rest(file: { handle: FileHandle; at: number }): AsyncIterable<Uint8Array> {
  for (;;) {
    const chunk = Buffer.alloc(readBytes)
    const { bytesRead } = await file.handle.read(chunk, 0, readBytes, file.at)
    if (bytesRead === 0) return
    file.at += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
