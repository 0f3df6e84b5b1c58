import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Row, Table, Value } from '../../src/measures/table.js'
import { tables } from '../../src/measures/tables.js'
import { startLocalStack } from '../../src/stack/local.js'
import { freePorts } from '../../src/stack/ports.js'
import { createTableSql, quoteName, storedColumns } from '../../src/store/ddl.js'
import { endWithProcess } from './endWithProcess.js'
import { useQuickServers } from './quickServers.js'

export interface TestQuestdb {
  /** Address over the PostgreSQL wire, as Grafana uses it. */
  url: string
  client: pg.Client
  stop(): Promise<void>
}

/** A real QuestDB on free ports, with every table there and empty. */
export async function startTestQuestdb(): Promise<TestQuestdb> {
  useQuickServers()
  const dir = await mkdtemp(join(tmpdir(), 'dualtrace-questdb-'))
  endWithProcess(dir)
  const stack = await startLocalStack({ ports: await freePorts(), dir, servers: ['questdb'] })
  const url = `postgres://admin:quest@127.0.0.1:${stack.questdb.pgPort}/qdb`
  const client = new pg.Client(url)
  await client.connect()
  for (const table of tables) await client.query(createTableSql(table))
  return {
    url,
    client,
    async stop() {
      await client.end()
      await stack.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Writes rows, which have the same columns, and waits until queries see them: QuestDB applies its write-ahead log in the background. */
export async function insertRows(client: pg.Client, table: Table, rows: readonly Row[]): Promise<void> {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]))
  const literal = (name: string, value: Value) =>
    name === 'ts' || (types.get(name) === 'timestamp' && value !== null)
      ? `cast(${String(value)} AS TIMESTAMP_NS)`
      : sqlLiteral(value)
  const names = Object.keys(rows[0]!)
  const values = rows.map((row) => `(${names.map((name) => literal(name, row[name]!)).join(', ')})`)
  const columns = names.map((name) => `"${name}"`).join(', ')
  await client.query(`INSERT INTO "${table.name}" (${columns}) VALUES ${values.join(', ')}`)
  await applied(client, table)
}

/** Writes all rows there are once more, as if another run of their sources had told the same. */
export async function repeatRows(client: pg.Client, table: Table, run: string): Promise<void> {
  const columns = storedColumns(table).flatMap(({ name }) => (name === 'run' ? [] : [quoteName(name)]))
  const list = columns.join(', ')
  await client.query(`INSERT INTO "${table.name}" (${list}, run) SELECT ${list}, '${run}' FROM "${table.name}"`)
  await applied(client, table)
}

async function applied(client: pg.Client, table: Table): Promise<void> {
  const state = `SELECT writerTxn = sequencerTxn AS applied FROM wal_tables() WHERE name = '${table.name}'`
  while ((await client.query<{ applied: boolean }>(state)).rows[0]?.applied !== true) await sleep(20)
}

function sqlLiteral(value: Value): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
}
