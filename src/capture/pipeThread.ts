import { constants, openSync, readSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { pipeBytes, PipeRing } from './pipeRing.js'

// The thread of pipe.ts: reads a pipe into a ring until it ends or nobody wants it.

/** In which perf writes a third of what a pipe holds. */
const shortestNapMs = 0.1
const longestNapMs = 5
const longestWaitMs = 50

const { path, memory } = workerData as { readonly path: string; readonly memory: SharedArrayBuffer }
const ring = new PipeRing(memory)
const never = new Int32Array(new SharedArrayBuffer(4))

/** Opened anew, so that the pipe stays as it is for others: a read that waits could not be given up. */
const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
let napMs = shortestNapMs
while (!ring.isDropped) {
  const room = ring.room(longestWaitMs)
  if (room === undefined) continue
  const bytes = readSome(room)
  if (bytes === 0) {
    ring.end()
    break
  }
  ring.wrote(Math.max(bytes, 0))
  // Who waits in a read is woken by every 4 KiB that are written: it costs the writer more than the writing.
  if (bytes >= pipeBytes / 2) continue
  napMs = bytes > 0 ? shortestNapMs : Math.min(2 * napMs, longestNapMs)
  Atomics.wait(never, 0, 0, napMs)
}

/** @returns -1 when there is nothing now */
function readSome(room: Uint8Array): number {
  try {
    return readSync(fd, room)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1
    throw error
  }
}
