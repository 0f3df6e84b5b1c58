import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { goTraceUrl, NotListening, openGoTrace, openGoTraceStream, type Patience } from '../../src/capture/goTrace.js'

const patience = { silenceMs: 30_000, signal: new AbortController().signal }
const traceHead = Buffer.from('go 1.26 trace\0\0\0')

describe('Go trace through pprof', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  async function serve(answer: RequestListener): Promise<string> {
    const server = createServer(answer)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const addresses = [
    ['http://h:1', 'http://h:1/debug/pprof/trace?seconds=2'],
    ['http://h:1/', 'http://h:1/debug/pprof/trace?seconds=2'],
    ['http://h:1/debug/pprof/', 'http://h:1/debug/pprof/trace?seconds=2'],
    ['https://h/x/debug/pprof/trace?seconds=9', 'https://h/x/debug/pprof/trace?seconds=2'],
  ] as const
  for (const [given, full] of addresses) {
    it(`completes ${given} to ${full}`, () => assert.equal(goTraceUrl(given, 2).href, full))
  }

  it('refuses what is no http address', () => {
    for (const given of ['localhost:6060', 'file:///etc/passwd', ''])
      assert.throws(() => goTraceUrl(given, 1), /is not an http address/)
  })

  it('hands over the bytes as they are', async () => {
    const url = await serve((_, response) => response.end(Buffer.concat([traceHead, Buffer.from([1, 2, 3])])))
    const bytes: Uint8Array[] = []
    for await (const chunk of openGoTrace(url, 1, patience)) bytes.push(chunk)
    assert.deepEqual(Buffer.concat(bytes), Buffer.concat([traceHead, Buffer.from([1, 2, 3])]))
  })

  const refusals = [
    [404, '404 page not found', /answered 404 \(404 page not found\).*net\/http\/pprof/],
    [500, 'Could not enable tracing: execution tracer already enabled', /somebody else is tracing/],
    [401, '', /wants a login/],
    [200, '<html>hello</html>', /not with a Go trace/],
    [200, '', /not with a Go trace/],
  ] as const
  for (const [status, body, expected] of refusals) {
    it(`says what is wrong when the answer is ${status} "${body.slice(0, 20)}"`, async () => {
      const url = await serve((_, response) => response.writeHead(status).end(body))
      await assert.rejects(openGoTraceStream(url, 1, patience), expected)
    })
  }

  const silences: readonly (readonly [string, RequestListener])[] = [
    ['not answered', () => undefined],
    ['answered with no more than a head', (_, response) => response.flushHeaders()],
    ['refused with no more than a head', (_, response) => response.writeHead(500).flushHeaders()],
  ]
  for (const [what, answer] of silences) {
    const expected = what.startsWith('refused') ? /answered 500 instead of a Go trace/ : /nothing came for 0.2 s/
    it(`gives up an endpoint that has ${what}, after a while or when told to`, async () => {
      let asked: () => void = () => undefined
      const url = await serve((request, response) => {
        answer(request, response)
        asked()
      })
      await assert.rejects(openGoTraceStream(url, 1, { ...patience, silenceMs: 200 }), expected)
      const told = new AbortController()
      asked = () => told.abort()
      await assert.rejects(openGoTraceStream(url, 1, { ...patience, signal: told.signal }))
      await assert.rejects(openGoTraceStream(url, 1, { ...patience, signal: told.signal }), /interrupted before/)
    })
  }

  it('gives up a trace that comes to a standstill, after a while or when told to', async () => {
    const url = await serve((_, response) => response.write(traceHead))
    const sizes: number[] = []
    const reading = async (limits: Partial<Patience>, seen: () => void) => {
      for await (const chunk of openGoTrace(url, 1, { ...patience, ...limits })) {
        sizes.push(chunk.length)
        seen()
      }
    }
    await assert.rejects(
      reading({ silenceMs: 200 }, () => undefined),
      /broke off: nothing came for 0.2 s/,
    )
    const told = new AbortController()
    await assert.rejects(
      reading({ signal: told.signal }, () => setImmediate(() => told.abort())),
      /broke off/,
    )
    assert.deepEqual(sizes, [traceHead.length, traceHead.length])
  })

  it('tells an address where nobody listens from one that answers wrongly', async () => {
    const url = await serve((_, response) => response.end())
    await new Promise((resolve) => servers.pop()?.close(resolve))
    await assert.rejects(openGoTraceStream(url, 1, patience), NotListening)
  })

  it('keeps what came before the process went away and says that it is not complete', async () => {
    const url = await serve((_, response) => {
      response.write(traceHead)
      setTimeout(() => response.destroy(), 20)
    })
    const stream = await openGoTraceStream(url, 1, patience)
    let size = 0
    for await (const chunk of stream.chunks) size += chunk.length
    assert.equal(size, traceHead.length)
    assert.equal(stream.complete(), false)
  })
})
