import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../errors.js'
import type { Secret } from '../../secret.js'
import type { RelaySettings } from '../settings.js'
import { type Clock, systemClock } from '../wecom/robot.js'
import { keepAlerts } from './keepAlerts.js'
import { type Answer, Teller } from './teller.js'
import { GrafanaWebhook } from './webhook.js'

/** Largest webhook. Grafana's hold some kB for each alert, and one that is refused comes again for ever. */
export const maxBodyBytes = 8 << 20
/** A body that has not come within so long is not waited for. */
const requestPatienceMs = 10_000
const lastAnswersMs = 1000

export interface Relay {
  readonly port: number
  close(): Promise<void>
}

/**
 * Takes Grafana's webhooks (POST with `Authorization: Bearer TOKEN`) and tells the robot, one after the other. 200: the robot has it; 400, 401,
 * 405, 413: it is not taken; 502: the robot refused; 503: come again later. With an archive, whatever the answer to a webhook is, the raw data of its alerts
 * is kept.
 * @throws UserError when it cannot listen there.
 */
export async function startRelay(
  { wecom, token, host, port, archive }: RelaySettings,
  note: (text: string) => void,
  clock: Clock = systemClock,
): Promise<Relay> {
  const teller = new Teller(wecom, note, clock)
  const keepAndTell = async (webhook: GrafanaWebhook, hasGone: () => boolean): Promise<Answer> => {
    const kept = archive === undefined ? undefined : keepAlerts(archive, webhook, clock.nowMs(), note)
    const answer = await teller.tell(webhook, hasGone)
    await kept
    return answer
  }
  const server = createServer((request, response) => {
    take(request, token, (webhook) => keepAndTell(webhook, () => request.socket.destroyed))
      .catch((error: unknown): Answer => {
        note(`a webhook failed: ${(error as Error).message}`)
        return { status: 500, text: 'it failed; the log says why\n' }
      })
      .then((answer) => reply(request, response, answer))
      .catch(() => undefined)
  })
  server.requestTimeout = requestPatienceMs
  server.headersTimeout = requestPatienceMs
  server.maxConnections = 100
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new UserError(`the relay cannot listen on ${host}:${port}: ${error.message}`)),
    )
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await teller.close()
      // The last answers are still to be written.
      await Promise.race([closed, sleep(lastAnswersMs)])
      server.closeAllConnections()
      await closed
    },
  }
}

async function take(
  request: IncomingMessage,
  token: Secret,
  tell: (webhook: GrafanaWebhook) => Promise<Answer>,
): Promise<Answer> {
  if (request.method !== 'POST') return { status: 405, text: 'only POST\n' }
  if (!isAllowed(request.headers.authorization, token)) return { status: 401, text: 'give the token as a Bearer\n' }
  if (request.headers['content-encoding'] !== undefined) return { status: 415, text: 'only as it is, not compressed\n' }
  const body = await bodyOf(request)
  if (body === undefined) return { status: 413, text: `at most ${maxBodyBytes} bytes\n` }
  const webhook = GrafanaWebhook.safeParse(parseJson(body))
  if (!webhook.success) {
    const [issue] = webhook.error.issues
    return { status: 400, text: `no webhook of Grafana: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}\n` }
  }
  return tell(webhook.data)
}

/** Both are hashed first: then their lengths are equal, and how long it takes says nothing about the token. */
function isAllowed(header: string | undefined, token: Secret): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(header ?? ''), hash(`Bearer ${token.reveal()}`))
}

/** @returns undefined when it is too large; the rest is then not read. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return undefined
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function reply(request: IncomingMessage, response: ServerResponse, { status, text }: Answer): void {
  const headers: Record<string, string> = { 'content-type': 'text/plain; charset=utf-8' }
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (status === 503) headers['retry-after'] = '60'
  // Whatever was not read ends with the connection.
  if (!request.complete) headers['connection'] = 'close'
  response.writeHead(status, headers).end(text)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
