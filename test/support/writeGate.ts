import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** QuestDB, over a door that can be shut to writes. */
export interface WriteGate {
  readonly url: string
  /** Lets so many writes through from now on and holds the next ones. @returns when one is held */
  holdAfter(writes: number): Promise<void>
  /** Lets what is held and all that follows through. */
  release(): void
  /** Lets no write through from now on: QuestDB does not know the login any more. */
  refuse(): void
  close(): void
}

export async function startWriteGate(target: string): Promise<WriteGate> {
  let left = Infinity
  let refuses = false
  let told: () => void = () => undefined
  let held: (() => void)[] = []
  const forward = (from: IncomingMessage, to: ServerResponse) => {
    const { method, headers, url } = from
    const onward = request(new URL(url!, target), { method, headers }, (answer) => {
      to.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(to)
    })
    onward.on('error', () => to.destroy())
    from.pipe(onward)
  }
  const server = createServer((from, to) => {
    const isWrite = from.url!.startsWith('/write')
    if (isWrite && refuses) return void to.writeHead(401).end()
    if (!isWrite || left-- > 0) return forward(from, to)
    // Whoever was killed meanwhile gets no answer.
    held.push(() => (from.destroyed ? undefined : forward(from, to)))
    told()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAfter(writes) {
      left = writes
      held = []
      return new Promise((resolve) => (told = resolve))
    },
    release() {
      left = Infinity
      for (const go of held.splice(0)) go()
    },
    refuse() {
      refuses = true
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
