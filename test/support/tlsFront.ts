import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificates } from './certificates.js'

export interface TlsFront {
  readonly url: string
  /** Requests to write rows that have come so far. */
  writes: number
  /** Called when such a request has come, before anything is done with it. @returns whether the server behind may see it. */
  onWrite: (writes: number) => boolean
  readonly stop: () => void
}

/** What stands before a QuestDB that is reached over TLS: the open-source server speaks plain HTTP alone. */
export async function startTlsFront(behind: string, certificates: Certificates): Promise<TlsFront> {
  const pem = readFileSync(certificates.server)
  const server = createServer({ key: pem, cert: pem }, (incoming, outgoing) => {
    if (isWrite(incoming) && !front.onWrite(++front.writes)) return
    const { method, headers, url } = incoming
    const passed = request(new URL(url!, behind), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const front: TlsFront = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    writes: 0,
    onWrite: () => true,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return front
}

function isWrite({ url }: IncomingMessage): boolean {
  return url!.startsWith('/write')
}
