import assert from 'node:assert/strict'
import { newRegistry } from '../../src/status/metrics.js'
import { startStatusServer, type StatusServer } from '../../src/status/server.js'

describe('the status server', () => {
  let server: StatusServer
  let reasons: string[] = []
  let value: number | undefined = 3

  before(async () => {
    const registry = newRegistry([
      { name: 'things_total', help: 'Things', kind: 'counter', read: () => value },
      { name: 'age_ms', help: 'Age', kind: 'gauge', labels: ['of'], read: () => [[{ of: 'a"b' }, 7]] },
    ])
    server = await startStatusServer({ host: '127.0.0.1', port: 0, registry, notReady: () => reasons })
  })

  after(() => server.close())

  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
    return { status: response.status, text: await response.text() }
  }

  it('shows each metric as it is when asked, and the process itself', async () => {
    const first = await get('/metrics')
    assert.equal(first.status, 200)
    assert.match(first.text, /^# TYPE dualtrace_things_total counter$/m)
    assert.match(first.text, /^dualtrace_things_total 3$/m)
    assert.match(first.text, /^dualtrace_age_ms\{of="a\\"b"\} 7$/m)
    assert.match(first.text, /^process_resident_memory_bytes \d+$/m)
    value = 5
    assert.match((await get('/metrics')).text, /^dualtrace_things_total 5$/m)
  })

  it('leaves out what nobody knows', async () => {
    value = undefined
    assert.doesNotMatch((await get('/metrics')).text, /^dualtrace_things_total /m)
  })

  it('says why it is not ready', async () => {
    assert.deepEqual(await get('/readyz'), { status: 200, text: 'ready\n' })
    reasons = ['Kafka is away', 'so is QuestDB']
    assert.deepEqual(await get('/readyz'), { status: 503, text: 'Kafka is away\nso is QuestDB\n' })
    assert.deepEqual(await get('/healthz'), { status: 200, text: 'ok\n' })
  })

  it('knows three pages, to be read only', async () => {
    assert.equal((await get('/other')).status, 404)
    assert.equal((await get('/constructor')).status, 404)
    assert.equal((await get('/metrics', 'POST')).status, 405)
  })

  it('says that its port is taken', async () => {
    const again = startStatusServer({
      host: '127.0.0.1',
      port: server.port,
      registry: newRegistry([]),
      notReady: () => [],
    })
    await assert.rejects(again, /^UserError: status: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/)
  })
})
