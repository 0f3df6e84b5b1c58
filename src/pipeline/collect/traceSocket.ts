import { chmod, chown, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../errors.js'
import type { Log } from '../log.js'
import { tellFailure } from './failures.js'
import type { GoTraceStatus } from './status.js'

/** Connections that may wait until the process they belong to is being collected. */
const maxWaiting = 8
const pollMs = 100

/**
 * A Unix socket to which a service sends its trace, whole generations one after the other (deploy/go). A connection waits, unread, until the
 * process it belongs to is known: a service that restarts may be here before its new process has been found.
 */
export class TraceSocket {
  private readonly waiting: Socket[] = []

  private constructor(
    private readonly server: Server,
    private readonly path: string,
    private readonly log: Log,
  ) {
    server.on('connection', (socket) => this.accept(socket))
  }

  /** @throws UserError when the socket cannot be made. */
  static async listen(path: string, log: Log): Promise<TraceSocket> {
    await removeStale(path)
    const server = createServer({ pauseOnConnect: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new UserError(`the trace socket ${path} cannot be opened: ${error.message}`)),
      )
      server.listen(path, resolve)
    })
    await chmod(path, 0o600)
    return new TraceSocket(server, path, log)
  }

  /** Lets the user the process runs as connect, and nobody else (but root). Without the right to do so it stays ours alone. */
  async admit(pid: number): Promise<void> {
    const owner = await stat(`/proc/${pid}`).catch(() => undefined)
    if (owner === undefined || owner.uid === process.getuid?.()) return
    try {
      await chown(this.path, owner.uid, owner.gid)
    } catch (error) {
      this.log.warn(
        { path: this.path, uid: owner.uid, reason: (error as Error).message },
        'the service may not be allowed to connect to the trace socket',
      )
    }
  }

  /**
   * What one process sends, over as many connections as it takes. `isAlive` says whether it still runs: a connection made after its end
   * belongs to the next one. Ends when the signal has come and the connections made until then are read.
   */
  async *traces(
    isAlive: () => Promise<boolean>,
    signal: AbortSignal,
    status: GoTraceStatus,
  ): AsyncIterable<Uint8Array> {
    let allowed = Infinity
    for (;;) {
      // A service that is hung up on connects again, and must not keep us.
      if (signal.aborted) allowed = Math.min(allowed, this.waiting.length)
      const isOurs = allowed > 0 && this.waiting.length > 0 && (await isAlive())
      const socket = isOurs ? this.waiting.shift() : undefined
      if (socket !== undefined) {
        allowed--
        status.traces++
        yield* this.read(socket, signal, status)
      } else if (signal.aborted) return
      else await sleep(pollMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    for (const socket of this.waiting.splice(0)) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }

  private async *read(socket: Socket, signal: AbortSignal, status: GoTraceStatus): AsyncIterable<Uint8Array> {
    // The process has ended, or we have to: what it has sent is still read, but not waited for.
    const hangUp = () => setTimeout(() => socket.destroy(), pollMs)
    signal.addEventListener('abort', hangUp, { once: true })
    if (signal.aborted) hangUp()
    status.isOpen = true
    try {
      for await (const chunk of socket) yield chunk as Uint8Array
    } catch (error) {
      if (signal.aborted) return
      tellFailure(error, status, this.log, {}, 'the trace connection broke off')
    } finally {
      status.isOpen = false
      signal.removeEventListener('abort', hangUp)
      socket.destroy()
    }
  }

  private accept(socket: Socket): void {
    // Errors of a socket that is read come out there.
    socket.on('error', () => undefined)
    if (this.waiting.length >= maxWaiting) {
      socket.destroy()
      return
    }
    this.waiting.push(socket)
  }
}

/** A socket that a process left behind when it died goes; one on which somebody listens, and anything else under this name, stays. */
async function removeStale(path: string): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (info === undefined) return
  const cannot = `the trace socket ${path} cannot be opened`
  if (!info.isSocket()) throw new UserError(`${cannot}: there is a file of that name`)
  if (await answers(path)) throw new UserError(`${cannot}: another collector listens there, give each its own`)
  await rm(path, { force: true })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
