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
/** The writer has to wait when nobody has taken so much. */
const limitBytes = 4 << 20

/**
 * What little the other process writes at a time gathers in the kernel for `gatherMs`, and is then read at once, into memory that is used
 * again: each read, and each chunk that is new memory, costs more than its bytes do. Reads at once, whoever waits for it.
 */
export async function openInlet(gatherMs: number): Promise<Inlet> {
  const gathered = new Gathered(gatherMs)
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

class Gathered {
  private filling = Buffer.allocUnsafe(readBytes)
  private taken = Buffer.allocUnsafe(readBytes)
  private sizeBytes = 0
  private isOver = false
  private error: Error | undefined
  private socket: Socket | undefined
  private wake: () => void = () => undefined

  constructor(private readonly gatherMs: number) {}

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
    const endAt = this.sizeBytes + bytes.length
    if (endAt > this.filling.length) this.filling = Buffer.concat([this.filling], 2 * endAt)
    bytes.copy(this.filling, this.sizeBytes)
    this.sizeBytes = endAt
    this.wake()
    if (endAt >= limitBytes) return false
    if (bytes.length >= muchBytes) return true
    setTimeout(() => this.socket?.resume(), this.gatherMs)
    return false
  }

  async *chunks(): AsyncIterable<Buffer> {
    for (;;) {
      if (this.sizeBytes === 0 && !this.isOver) await new Promise<void>((resolve) => (this.wake = resolve))
      const chunk = this.filling.subarray(0, this.sizeBytes)
      ;[this.filling, this.taken] = [this.taken, this.filling]
      this.sizeBytes = 0
      if (chunk.length >= limitBytes) this.socket?.resume()
      if (chunk.length > 0) yield chunk
      else if (this.error !== undefined) throw this.error
      else if (this.isOver) return
    }
  }
}
