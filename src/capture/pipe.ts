import { fstatSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { PipeRing } from './pipeRing.js'

/** So long the thread that takes waits before it looks at what else there is. */
const waitMs = 20

/** Whether this file descriptor is a pipe that `readPipe` can read. */
export function isPipe(fd: number): boolean {
  return process.platform === 'linux' && fstatSync(fd).isFIFO()
}

/**
 * The bytes of a pipe, read by a thread of its own, which is up to 4 MiB ahead: who writes is not held up while something else is done here, and
 * this thread need not wait for each of the small pieces that come. A chunk is valid until the next one is asked for.
 */
export async function* readPipe(fd: number): AsyncIterable<Uint8Array> {
  const ring = new PipeRing()
  const path = `/proc/self/fd/${fd}`
  const worker = new Worker(new URL('pipeThread.js', import.meta.url), { workerData: { path, memory: ring.memory } })
  let failure: Error | undefined
  worker.once('error', (error) => (failure = error))
  worker.unref()
  try {
    for (;;) {
      const chunk = ring.next(waitMs)
      if (chunk === undefined) await turn()
      else if (chunk.length === 0) return
      else {
        yield chunk
        ring.taken()
      }
      if (failure !== undefined) throw failure
    }
  } finally {
    ring.drop()
  }
}
