import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const Message = z.object({ msgtype: z.string(), markdown: z.object({ content: z.string() }).optional() })

export interface WecomRobot {
  url: URL
  /** Contents taken, in order. */
  taken: string[]
  /** Error codes answered, in order; 0 for a message taken. */
  answered: number[]
  /** Answers to give before the rules apply: an errcode, or a text to send as it is with HTTP 500. */
  next: (number | string)[]
  stop(): Promise<void>
}

export interface RobotOptions {
  key?: string
  maxBytes?: number
  /** Time of the limit of 20 a minute, ms. */
  nowMs?: () => number
}

/**
 * A WeCom group robot on 127.0.0.1 with the real one's limits: 4096 bytes, 20 messages in any minute, and an `errcode` in an HTTP 200
 * reply for everything that is wrong.
 */
export async function startWecomRobot(options: RobotOptions = {}): Promise<WecomRobot> {
  const { key = 'secret-robot-key', maxBytes = 4096, nowMs = () => Date.now() } = options
  const robot = { taken: [] as string[], answered: [] as number[], next: [] as (number | string)[] }
  const takenMs: number[] = []

  const isOurs = (path: URL) => path.pathname === '/cgi-bin/webhook/send' && path.searchParams.get('key') === key
  const judge = (path: URL, body: string): number => {
    if (!isOurs(path)) return 93000
    const message = Message.safeParse(JSON.parse(body))
    if (message.data?.msgtype !== 'markdown') return 40008
    const content = message.data.markdown?.content
    if (content === undefined || content === '') return 44004
    if (Buffer.byteLength(content) > maxBytes) return 40058
    if (takenMs.filter((ms) => nowMs() - ms < 60_000).length >= 20) return 45009
    takenMs.push(nowMs())
    robot.taken.push(content)
    return 0
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const path = new URL(request.url!, 'http://robot')
      // Somebody who looks for an earlier server at this port takes no answer away.
      const forced = isOurs(path) ? robot.next.shift() : undefined
      if (typeof forced === 'string') {
        response.writeHead(500).end(forced)
        return
      }
      const errcode = forced ?? judge(path, Buffer.concat(chunks).toString())
      robot.answered.push(errcode)
      // The real one's texts quote the request, key and all.
      const errmsg = errcode === 0 ? 'ok' : `refused, hint: [${request.url!}], more info at error code ${errcode}`
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ errcode, errmsg }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    ...robot,
    url: new URL(`http://127.0.0.1:${port}/cgi-bin/webhook/send?key=${key}`),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
