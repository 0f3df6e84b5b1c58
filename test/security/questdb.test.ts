import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { gcPausesTable } from '../../src/measures/gcPauses.js'
import type { Row } from '../../src/measures/table.js'
import { tables } from '../../src/measures/tables.js'
import { Secret } from '../../src/secret.js'
import type { QuestdbAddress } from '../../src/store/login.js'
import { QuestdbStore } from '../../src/store/questdb.js'
import { runCli } from '../support/cli.js'
import { requireJava, requireOpenssl } from '../support/requirements.js'
import { type SecuredStack, securedStack } from '../support/securedStack.js'

const row: Row = {
  // Of now: other tests of this process write to the same table, and a partition that is older than the table's TTL goes.
  ts: `${Date.now()}000000`,
  source: 'login',
  service: 'shop',
  host: 'web-1',
  reason: 'GC mark termination',
  is_gc: true,
  duration_ns: 1,
  stopping_ns: 1,
  tid: 7,
  goroutine: 1,
}

function store(address: Omit<QuestdbAddress, 'url'>, url: string): QuestdbStore {
  return new QuestdbStore({ ...address, url, tables, onRetry: (error) => assert.fail(error) })
}

describe('a QuestDB that does not let everybody in', function () {
  let secured: SecuredStack
  let url: string

  before(async function () {
    requireJava(this)
    requireOpenssl(this)
    secured = await securedStack()
    url = secured.stack.questdb.url
  })
  const login = (password: string) => ({ username: 'writer', password: new Secret(password) })
  const pgUrl = (password: string) => {
    const address = new URL(`postgres://reader@127.0.0.1:${secured.stack.questdb.pgPort}/qdb`)
    address.password = encodeURIComponent(password)
    return address.href
  }

  it('takes rows from one who knows the password', async () => {
    const writer = store(login(secured.questdbPassword), url)
    await writer.prepare()
    assert.deepEqual(await writer.write([{ table: gcPausesTable.name, row, run: 'r' }]), [])
    const client = new pg.Client(pgUrl(secured.pgPassword))
    await client.connect()
    for (let found = 0; found === 0;) {
      const { rows } = await client.query<{ n: string }>(`SELECT count() AS n FROM gc_pauses WHERE source = 'login'`)
      found = Number(rows[0]!.n)
    }
    await client.end()
  })

  for (const [what, password] of [
    ['with a wrong password', 'wrong-password'],
    ['without a login', undefined],
  ] as const)
    it(`refuses one ${what}, in one sentence, whether tables are made or rows are written`, async () => {
      const stranger = store(password === undefined ? {} : login(password), url)
      const refused = {
        name: 'UserError',
        message: /^QuestDB at http:\/\/127.* refused the login: check questdb\.username/,
      }
      await assert.rejects(stranger.prepare(), refused)
      await assert.rejects(stranger.write([{ table: gcPausesTable.name, row, run: 'r' }]), refused)
    })

  it('answers alert rules over the PostgreSQL wire, and refuses a wrong password there in one sentence', async () => {
    await store(login(secured.questdbPassword), url).prepare()
    const run = (password: string) =>
      runCli(['alerts', 'eval', '--state', join(secured.dir, 'alerts.json')], {
        env: { DUALTRACE_QUESTDB_PG: pgUrl(password) },
      })
    const let_in = await run(secured.pgPassword)
    assert.equal(let_in.code, 0, let_in.stderr)
    const refused = await run('wrong-password')
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /^dualtrace: QuestDB at 127\.0\.0\.1:\d+ refused the login of reader: check/)
    assert.doesNotMatch(refused.stderr, /wrong-password/)
  })

  it('is shown a token as a Bearer, for queries and for rows', async () => {
    const shown: string[] = []
    const server = createServer((request, response) => {
      shown.push(`${request.url!.split('?')[0]!} ${request.headers.authorization ?? 'nothing'}`)
      request.resume().on('end', () => {
        if (request.url!.startsWith('/exec')) response.end('{"columns":[],"dataset":[]}')
        else response.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const writer = store({ token: new Secret('T0;k=n') }, `http://127.0.0.1:${port}`)
    await writer.tend()
    await writer.write([{ table: gcPausesTable.name, row, run: 'r' }])
    server.close()
    server.closeAllConnections()
    assert.deepEqual(shown, ['/exec Bearer T0;k=n', '/write Bearer T0;k=n'])
  })
})
