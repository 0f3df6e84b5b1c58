import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A way for another process to write to this one. */
export interface Inlet {
  /** For the `stdio` of that process; to be destroyed here once it has been started. */
  readonly theirs: Socket
  /** What it writes, in few large chunks. A chunk is valid until the next one is asked for. */
  readonly chunks: AsyncIterable<Buffer>
  /** Nobody wants what has not been taken. */
  readonly close: () => void
}

const readBytes = 256 << 10
/** What fills so much of it at once comes fast: more of it may be there already. */
const muchBytes = readBytes / 4
/** So many blocks of that size are kept to be used again. */
const keptBlocks = 8

/**
 * What little the other process writes at a time gathers in the kernel for `gatherMs`, and is then read at once, into memory that is used
 * again: each read, and each chunk that is new memory, costs more than its bytes do. Reads at once, whoever waits for it.
 *
 * @param limitBytes the writer has to wait when nobody has taken so much
 */
export async function openInlet(gatherMs: number, limitBytes: number): Promise<Inlet> {
  const gathered = new Gathered(gatherMs, limitBytes)
  const buffer = Buffer.allocUnsafe(readBytes)
  const onread = { buffer, callback: (sizeBytes: number) => gathered.take(buffer.subarray(0, sizeBytes)) }
  const directory = await mkdtemp(join(tmpdir(), 'dualtrace-'))
  try {
    const path = join(directory, 'inlet')
    const server = createServer({ pauseOnConnect: true }).listen(path)
    await once(server, 'listening')
    const connection = once(server, 'connection') as Promise<[Socket]>
    const ours = connect({ path, onread })
    const [theirs] = await connection
    server.close()
    gathered.from(ours)
    return { theirs, chunks: gathered.chunks(), close: () => ours.destroy() }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

interface Block {
  readonly memory: Buffer
  endAt: number
}

class Gathered {
  /** What nobody has taken yet, the oldest first; the last one is being filled. */
  private readonly blocks: Block[] = []
  private readonly free: Block[] = []
  private waitingBytes = 0
  private isOver = false
  private error: Error | undefined
  private socket: Socket | undefined
  private wake: () => void = () => undefined

  constructor(
    private readonly gatherMs: number,
    private readonly limitBytes: number,
  ) {}

  from(socket: Socket): void {
    this.socket = socket
    const end = (error?: Error) => {
      this.isOver = true
      this.error ??= error
      this.wake()
    }
    socket.once('end', () => end())
    socket.once('close', () => end())
    socket.once('error', end)
  }

  /** @returns whether more is to be read right now. */
  take(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length;) {
      const block = this.filling()
      const copiedBytes = bytes.copy(block.memory, block.endAt, at)
      block.endAt += copiedBytes
      at += copiedBytes
    }
    this.waitingBytes += bytes.length
    this.wake()
    if (this.isFull()) return false
    if (bytes.length >= muchBytes) return true
    setTimeout(() => this.socket?.resume(), this.gatherMs)
    return false
  }

  async *chunks(): AsyncIterable<Buffer> {
    for (;;) {
      if (this.blocks.length === 0 && !this.isOver) await new Promise<void>((resolve) => (this.wake = resolve))
      const block = this.blocks.shift()
      if (block !== undefined) {
        const wasFull = this.isFull()
        this.waitingBytes -= block.endAt
        if (wasFull && !this.isFull()) this.socket?.resume()
        yield block.memory.subarray(0, block.endAt)
        if (this.free.length < keptBlocks) this.free.push(block)
      } else if (this.error !== undefined) throw this.error
      else if (this.isOver) return
    }
  }

  private isFull(): boolean {
    return this.waitingBytes >= this.limitBytes
  }

  private filling(): Block {
    const last = this.blocks.at(-1)
    if (last !== undefined && last.endAt < last.memory.length) return last
    const block = this.free.pop() ?? { memory: Buffer.allocUnsafeSlow(readBytes), endAt: 0 }
    block.endAt = 0
    this.blocks.push(block)
    return block
  }
}
