import { spawn } from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

const stdinFd = 0
const chunkBytes = 1 << 16
/** With so much there is something to do while the other process writes on: to wait for more is time in which only one of both works. */
const enoughBytes = chunkBytes / 2
/** A process that writes little at a time would wake us each time: it is left alone for so long. */
const gatherMs = 0.5
/** How often it is looked for more, while nobody takes anything or nothing comes. */
const againMs = 1
/** What is read while it cannot be taken yet: perf script writes so much in half a second. */
const aheadBytes = 64 << 20
/** What a pipe may hold without privileges. It comes with 64 KiB, which perf script fills in half a millisecond, and then waits for us. */
const pipeBytes = 1 << 20
/** F_SETPIPE_SZ, for which Node has no call. */
const setPipeSize = 1031
const sleeper = new Int32Array(new SharedArrayBuffer(4))
let stdin: AsyncIterable<Uint8Array> | undefined

/**
 * Standard input, for one reader. A pipe is read without asking the event loop, which turns once a chunk: whoever analyses what another process writes
 * at the same time has no time to lose, and once a pipe has been polled each write to it costs the writer a wake-up. Chunks lie in the same memory, each
 * valid until the next one is asked for: V8 would count new memory as a reason to mark its whole heap.
 */
export function readStdin(): AsyncIterable<Uint8Array> {
  return (stdin ??= openPipe() ?? process.stdin)
}

/** Takes what comes through a pipe from now on, up to a limit: its writer does not wait for as long as nobody has called `readStdin` yet. */
export function readStdinAhead(): void {
  readStdin()
}

/** undefined when it is no pipe, or one that others own. */
function openPipe(): AsyncIterable<Uint8Array> | undefined {
  if (!fstatSync(stdinFd).isFIFO()) return undefined
  let fd
  try {
    // Opened anew it does not block, and stays as it is for others who have it.
    fd = openSync(`/proc/self/fd/${stdinFd}`, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  widenPipe()
  return new Pipe(fd).chunks()
}

/** Is read from the start, whether anybody asks for its chunks or not. */
class Pipe {
  /** What is used again and again stays in the processor's cache: a copy to here takes a quarter of the time. */
  private readonly chunk = Buffer.allocUnsafeSlow(chunkBytes)
  /** A ring of what was read before it could be taken: a byte lies where its position says, modulo the size. Not touched, it takes no memory. */
  private readonly ahead = Buffer.allocUnsafeSlow(aheadBytes)
  private filledTo = 0
  private takenTo = 0
  private isOver = false
  private readonly reading = setInterval(() => this.fill(), againMs).unref()

  constructor(private readonly fd: number) {}

  async *chunks(): AsyncIterable<Uint8Array> {
    clearInterval(this.reading)
    try {
      // Whoever has caught up once is fast enough.
      for (;;) {
        this.fill()
        if (this.takenTo === this.filledTo) break
        const at = this.takenTo % aheadBytes
        const size = Math.min(this.filledTo - this.takenTo, chunkBytes, aheadBytes - at)
        await setImmediate()
        yield this.ahead.subarray(at, at + size)
        this.takenTo += size
      }
      while (!this.isOver) {
        const size = this.gather()
        if (size === 0) await sleep(againMs)
        else {
          await setImmediate()
          yield this.chunk.subarray(0, size)
        }
      }
    } finally {
      closeSync(this.fd)
    }
  }

  /** @returns bytes of `chunk` */
  private gather(): number {
    let size = 0
    for (let tries = 0; tries < 2 && size < enoughBytes; tries++) {
      if (tries > 0) Atomics.wait(sleeper, 0, 0, gatherMs)
      size += this.readInto(this.chunk, size, chunkBytes - size)
    }
    return size
  }

  /** Reads ahead what there is and there is room for. */
  private fill(): void {
    for (let isMore = true; isMore && this.filledTo - this.takenTo < aheadBytes;) {
      const at = this.filledTo % aheadBytes
      // Little at a time: the writer cannot write while somebody reads.
      const room = Math.min(this.takenTo + aheadBytes - this.filledTo, aheadBytes - at, chunkBytes)
      const size = this.readInto(this.ahead, at, room)
      this.filledTo += size
      isMore = size === room
    }
  }

  /** @returns bytes read, 0 when there are none at the moment or no more */
  private readInto(memory: Buffer, at: number, sizeBytes: number): number {
    if (this.isOver) return 0
    try {
      const size = readSync(this.fd, memory, at, sizeBytes, null)
      this.isOver = size === 0
      return size
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
      throw error
    }
  }
}

/** A pipe belongs to those who have it open: who is started with it can change it. Without perl, or where the system allows no more, it stays as it is. */
function widenPipe(): void {
  const script = `fcntl(STDIN, ${setPipeSize}, ${pipeBytes})`
  spawn('perl', ['-e', script], { stdio: ['inherit', 'ignore', 'ignore'] }).on('error', () => undefined)
}
