import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { UserError } from '../errors.js'

export interface StatusOptions {
  /** Address it listens on. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly registry: Registry
  /** Why it does not do its work now, one sentence each; empty when it does. */
  readonly notReady: () => readonly string[]
}

export interface StatusServer {
  readonly port: number
  close(): Promise<void>
}

const text = 'text/plain; charset=utf-8'

/**
 * Answers `/metrics` (Prometheus), `/healthz` (the process turns) and `/readyz` (it does its work; 503 and the reasons when not).
 * @throws UserError when it cannot listen there.
 */
export async function startStatusServer(options: StatusOptions): Promise<StatusServer> {
  const { host, port, registry, notReady } = options
  const pages: Readonly<Record<string, (response: ServerResponse) => void | Promise<void>>> = {
    '/metrics': async (response) => answer(response, 200, await registry.metrics(), registry.contentType),
    '/healthz': (response) => answer(response, 200, 'ok\n'),
    '/readyz': (response) => {
      const reasons = notReady()
      answer(response, reasons.length === 0 ? 200 : 503, reasons.length === 0 ? 'ready\n' : `${reasons.join('\n')}\n`)
    },
  }
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]!
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'only GET\n')
    else if (page === undefined) answer(response, 404, `try ${Object.keys(pages).join(', ')}\n`)
    else
      void Promise.resolve(page(response)).catch((error: unknown) =>
        answer(response, 500, `${(error as Error).message}\n`),
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new UserError(`status: cannot listen on ${host}:${port}: ${error.message}`)))
    server.listen(port, host, resolve)
  })
  // It alone must not keep a process alive.
  server.unref()
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(response: ServerResponse, status: number, body: string, type = text): void {
  response.writeHead(status, { 'content-type': type }).end(body)
}

/** The server a pipeline's settings ask for; none when the port is 0. @throws UserError when it cannot listen there. */
export async function serveStatus(
  address: Pick<StatusOptions, 'host' | 'port'>,
  registry: Registry,
  notReady: StatusOptions['notReady'],
): Promise<StatusServer | undefined> {
  return address.port === 0 ? undefined : startStatusServer({ ...address, registry, notReady })
}
