import * as http from 'node:http'
import * as https from 'node:https'
import { UserError } from '../errors.js'
import { shownAddress } from '../secret.js'
import { isAborted } from './aborted.js'
import { sniff } from './sniff.js'

/**
 * Completes what the user gave (`http://host:port`, `…/debug/pprof/` or the full address) to the address of a trace of this length.
 * @throws UserError for anything that is not an http(s) URL.
 */
export function goTraceUrl(given: string, seconds: number): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new UserError(
      `${shownAddress(given)} is not an http address: give the pprof endpoint, such as http://127.0.0.1:6060`,
    )
  const path = url.pathname.replace(/\/+$/, '')
  if (!path.endsWith('/trace')) url.pathname = path === '' ? '/debug/pprof/trace' : `${path}/trace`
  url.searchParams.set('seconds', String(seconds))
  return url
}

/** The connection was refused: nobody listens yet. A command that was just started gets some time. */
export class NotListening extends UserError {}

/** How long an endpoint is listened to. */
export interface Patience {
  /** An endpoint that says nothing for so long is given up: longer than the trace, as an idle process of Go 1.21 tells all of it at its end. */
  readonly silenceMs: number
  /** Gives it up at once; what has not come is left. */
  readonly signal: AbortSignal
}

export interface GoTraceStream {
  /** The trace as it comes. Ends early, without an error, when the process goes away or is given up; `complete` and `wasSilent` say which it was. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Whether the server ended the trace properly; meaningful once `chunks` has ended. */
  complete(): boolean
  /** Whether it was given up because nothing came. */
  wasSilent(): boolean
  /** Asks the process to end its trace now; what it still has to say arrives in `chunks`. */
  finish(): void
}

/**
 * Starts a trace through pprof and returns when its first bytes have arrived, so the process is tracing.
 * @throws NotListening, or UserError when the answer is not a Go trace, or none.
 */
export async function openGoTraceStream(given: string, seconds: number, patience: Patience): Promise<GoTraceStream> {
  const url = goTraceUrl(given, seconds)
  const { response, wasSilent } = await get(url, patience)
  if (response.statusCode !== 200) {
    const said = (await headOf(response)).toString().trim().split('\n')[0] ?? ''
    response.destroy()
    throw new UserError(
      `${shownAddress(given)} answered ${response.statusCode ?? 0}${quoted(given, said)} instead of a Go trace: ${advice(response.statusCode, said)}`,
    )
  }
  const iterator = response[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  const head = await iterator.next().catch(() => undefined)
  if (wasSilent() || isAborted(patience.signal)) throw noAnswer(url, patience)
  if (head?.done !== false || sniff(head.value) !== 'gotrace') {
    response.destroy()
    throw new UserError(
      `${shownAddress(given)} answered, but not with a Go trace: is it the pprof endpoint of a Go program?`,
    )
  }
  const first = head.value
  async function* chunks() {
    yield first as Uint8Array
    for (;;) {
      // A reset connection is the process going away: what it sent is worth keeping, and `complete` tells.
      const { value, done } = await iterator.next().catch(() => ({ value: undefined, done: true }))
      if (done === true) return
      yield value as Uint8Array
    }
  }
  return {
    chunks: chunks(),
    complete: () => response.complete,
    wasSilent,
    // pprof ends its trace when the client hangs up. Closing only our half of the connection keeps the other half open for
    // the rest of the trace. (TLS has no such half: there the trace ends with what has arrived.)
    finish: () => (url.protocol === 'http:' ? response.socket.end() : response.destroy()),
  }
}

/** The plain stream of a trace of this length, for the collector that takes one trace after another. */
export async function* openGoTrace(url: string, seconds: number, patience: Patience): AsyncIterable<Uint8Array> {
  const stream = await openGoTraceStream(url, seconds, patience)
  yield* stream.chunks
  if (stream.complete()) return
  const why = stream.wasSilent() ? silence(patience) : 'the process ended or the connection was lost'
  throw new UserError(`the Go trace of ${shownAddress(url)} broke off: ${why}`)
}

interface Answer {
  readonly response: http.IncomingMessage
  readonly wasSilent: () => boolean
}

function get(url: URL, patience: Patience): Promise<Answer> {
  const { silenceMs, signal } = patience
  const client = url.protocol === 'https:' ? https : http
  let silent = false
  const wasSilent = () => silent
  return new Promise((resolve, reject) => {
    // A connection of its own: it is half closed by `finish`. Both limits hold from its beginning to the end of the answer.
    const request = client.get(url, { agent: false, timeout: silenceMs, signal })
    request.on('timeout', () => {
      silent = true
      request.destroy()
    })
    request.on('response', (response) => resolve({ response, wasSilent }))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (silent || signal.aborted) reject(noAnswer(url, patience))
      else if (error.code === 'ECONNREFUSED') reject(new NotListening(notThere(url, error.code)))
      else reject(new UserError(notThere(url, error.code ?? error.message)))
    })
  })
}

function noAnswer(url: URL, patience: Patience): UserError {
  if (!patience.signal.aborted) return new UserError(notThere(url, silence(patience)))
  return new UserError(`interrupted before the pprof endpoint at ${url.origin} answered`)
}

function notThere(url: URL, why: string): string {
  return `no pprof endpoint answers at ${url.origin} (${why}): import _ "net/http/pprof" in the program, serve it, and give its address`
}

function silence({ silenceMs }: Patience): string {
  return `nothing came for ${silenceMs / 1000} s`
}

/** An answer may repeat what it was asked, so it is not quoted when there was a login or a key in that. */
function quoted(given: string, said: string): string {
  const { username, search } = new URL(given)
  return said === '' || username !== '' || search !== '' ? '' : ` (${said.slice(0, 120)})`
}

async function headOf(response: http.IncomingMessage): Promise<Buffer> {
  try {
    for await (const chunk of response) return (chunk as Buffer).subarray(0, 500)
  } catch {
    // Its status says enough.
  }
  return Buffer.alloc(0)
}

function advice(status: number | undefined, said: string): string {
  if (status === 404) return 'import _ "net/http/pprof" and give the address it is served at'
  if (status === 401 || status === 403) return 'the endpoint wants a login: give an address that is open to you'
  if (/trac\w+ (is )?already/i.test(said)) return 'somebody else is tracing this process: wait until that has ended'
  return 'give the address of /debug/pprof/trace'
}
