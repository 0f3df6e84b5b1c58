import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../src/stack/ports.js'

/** A way to a server's port that can be shut: then it refuses, and what is under way breaks off. */
export class Gate {
  private readonly sockets = new Set<Socket>()
  private server: Server | undefined

  private constructor(
    readonly port: number,
    private readonly toPort: number,
  ) {}

  static async open(toPort: number): Promise<Gate> {
    const gate = new Gate(await freePort(), toPort)
    await gate.unshut()
    return gate
  }

  async unshut(): Promise<void> {
    const server = createServer((socket) => {
      const onward = connect(this.toPort, '127.0.0.1')
      for (const end of [socket, onward]) {
        this.sockets.add(end)
        end.on('error', () => undefined).on('close', () => this.sockets.delete(end))
      }
      socket.pipe(onward).pipe(socket)
      socket.on('close', () => onward.destroy())
      onward.on('close', () => socket.destroy())
    })
    this.server = server
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
  }

  async shut(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server?.close(() => resolve()))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }
}
