import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.js'
import { pauseAfterFailure, tellFailure } from './failures.js'
import type { GoTraceStatus } from './status.js'

const readBytes = 1 << 18
const pollMs = 200
/** After the process has ended the file is read on until nothing has come for so long. */
const settleMs = 500
/** … but one that lives and goes on writing is not read for longer than this after the signal. */
const lastReadsMs = 2000

/**
 * A trace that the process writes to a file by itself, as it grows. A file that is replaced, or begins anew, is read from its start: it is
 * another trace. What a file holds that is older than `sinceMs` belongs to an earlier process. After an error it is read on from where it was.
 */
export async function* tailTraceFile(
  path: string,
  sinceMs: number,
  signal: AbortSignal,
  log: Log,
  status: GoTraceStatus,
): AsyncIterable<Uint8Array> {
  let file: OpenFile | undefined
  let quietSinceMs = Date.now()
  let waiting = false
  let untilMs = Infinity
  try {
    for (;;) {
      let gotSome = false
      try {
        const info = await stat(path).catch(() => undefined)
        const isOurs = info !== undefined && info.mtimeMs >= sinceMs
        if (file !== undefined && info !== undefined && (info.ino !== file.inode || info.size < file.at)) {
          yield* rest(file)
          await file.handle?.close()
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
        if (file !== undefined) {
          if (info !== undefined) file.handle ??= await open(path, 'r')
          for await (const chunk of rest(file)) {
            gotSome = true
            yield chunk
          }
        }
      } catch (error) {
        tellFailure(error, status, log, { path }, 'the trace cannot be read; trying again')
        const handle = file?.handle
        if (file !== undefined) file.handle = undefined
        await handle?.close().catch(() => undefined)
        await pauseAfterFailure(signal)
      }
      const nowMs = Date.now()
      if (gotSome) quietSinceMs = nowMs
      if (signal.aborted) untilMs = Math.min(untilMs, nowMs + lastReadsMs)
      if (nowMs >= untilMs || (signal.aborted && nowMs - quietSinceMs >= settleMs)) return
      if (!gotSome) await sleep(pollMs)
    }
  } finally {
    await file?.handle?.close()
  }
}

interface OpenFile {
  /** Undefined after an error, until it is opened again. */
  handle: FileHandle | undefined
  readonly inode: number
  at: number
}

async function* rest(file: OpenFile): AsyncIterable<Uint8Array> {
  while (file.handle !== undefined) {
    const chunk = Buffer.alloc(readBytes)
    const { bytesRead } = await file.handle.read(chunk, 0, readBytes, file.at)
    if (bytesRead === 0) return
    file.at += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
