import { spawn } from 'node:child_process'
import { fstatSync, readSync } from 'node:fs'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

const stdinFd = 0
const chunkBytes = 1 << 16
/** With so much there is something to do while the other process writes on: to wait for more is time in which only one of both works. */
const enoughBytes = chunkBytes / 2
/** A process that writes little at a time would wake us each time: it is left alone for so long. */
const gatherMs = 0.5
const retryMs = 1
/** What a pipe may hold without privileges. It comes with 64 KiB, which perf script fills in half a millisecond, and then waits for us. */
const pipeBytes = 1 << 20
/** F_SETPIPE_SZ, for which Node has no call. */
const setPipeSize = 1031
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/**
 * Standard input. A pipe is read without asking the event loop, which turns once a chunk: whoever analyses what another process writes at the same time has
 * no time to lose. Its chunks lie in the same memory, each valid until the next one is asked for: V8 would count new memory as a reason to mark its whole heap.
 */
export function readStdin(): AsyncIterable<Uint8Array> {
  return fstatSync(stdinFd).isFIFO() ? readPipe() : process.stdin
}

async function* readPipe(): AsyncIterable<Uint8Array> {
  widenPipe()
  const memory = Buffer.allocUnsafeSlow(chunkBytes)
  for (;;) {
    let size = 0
    while (size < enoughBytes) {
      const bytes = readSome(memory, size)
      if (bytes === 0) {
        if (size > 0) yield memory.subarray(0, size)
        return
      }
      if (bytes < 0) await sleep(retryMs)
      else {
        size += bytes
        if (size < enoughBytes) Atomics.wait(sleeper, 0, 0, gatherMs)
      }
    }
    await setImmediate()
    yield memory.subarray(0, size)
  }
}

/** A pipe belongs to those who have it open: who is started with it can change it. Without perl, or where the system allows no more, it stays as it is. */
function widenPipe(): void {
  const script = `fcntl(STDIN, ${setPipeSize}, ${pipeBytes})`
  spawn('perl', ['-e', script], { stdio: ['inherit', 'ignore', 'ignore'] }).on('error', () => undefined)
}

/** @returns 0 at the end, -1 when there is nothing to read in a pipe that somebody made non-blocking */
function readSome(into: Buffer, from: number): number {
  try {
    return readSync(stdinFd, into, from, into.length - from, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1
    throw error
  }
}
