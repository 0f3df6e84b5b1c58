import { setTimeout as sleep } from 'node:timers/promises'
import { deliveryColumns } from '../../src/measures/delivery.js'
import type { OutRow } from '../../src/measures/measure.js'
import { pipelineHealthTable } from '../../src/measures/pipelineHealth.js'
import type { Row, Table, Value } from '../../src/measures/table.js'
import { tables } from '../../src/measures/tables.js'
import { quoteName, upsertKeys } from '../../src/store/ddl.js'
import { querySql } from '../../src/store/sql.js'
import type { StoredRow } from '../../src/store/store.js'

/** Rows of every table, in an order that both sides share, so that one deepEqual compares them all. */
export type RowsByTable = Record<string, Row[]>

type Headers = Readonly<Record<string, string>>

const pageRows = 1000

interface Asking {
  readonly headers?: Headers
  /** Tell of which run each row is: for sources that have more than one. */
  readonly runs?: boolean
}

/** Every row of the source's recordings in QuestDB, with all columns, once its write-ahead log is applied. */
export async function storedRows(
  url: string,
  source: string,
  { headers = {}, runs = false }: Asking = {},
): Promise<RowsByTable> {
  const found: RowsByTable = {}
  for (const table of tables) {
    await applied(url, table, headers)
    const rows = (await tableRows(url, table, source, headers)).filter((row) => !isOfDelivery(table, row))
    if (!runs) for (const row of rows) delete row['run']
    found[table.name] = sorted(table, rows)
  }
  return found
}

/** What normalizers saw of the delivery of a source's messages: such rows of pipeline_health, with what they counted. */
export async function deliveryRows(url: string, source: string): Promise<Row[]> {
  await applied(url, pipelineHealthTable, {})
  const rows = await tableRows(url, pipelineHealthTable, source, {})
  return rows.filter((row) => isOfDelivery(pipelineHealthTable, row))
}

/** What they counted, summed up, by track and name; `run`: of this normalizer alone. */
export async function delivered(url: string, source: string, run?: string): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const row of await deliveryRows(url, source))
    for (const { name } of deliveryColumns) {
      if (row[name] === null || (run !== undefined && row['run'] !== run)) continue
      const key = `${String(row['track'])} ${name}`
      sums[key] = (sums[key] ?? 0) + Number(row[name])
    }
  return sums
}

function isOfDelivery(table: Table, row: Row): boolean {
  return table === pipelineHealthTable && row['events'] === null
}

/** The rows an analysis gave, as if they had been stored under another source. @throws Error when two share their key. */
export function computedRows(rows: readonly (OutRow & Partial<StoredRow>)[], source: string): RowsByTable {
  const found: RowsByTable = {}
  for (const table of tables) {
    const own = rows
      .filter((out) => out.table === table.name)
      .map(({ row, run }) => complete(table, { ...row, source, ...(run === undefined ? {} : { run }) }))
    const keys = own.map((row) => keyOf(table, row))
    const known = new Set<string>()
    const twice = keys.find((key) => known.size === known.add(key).size)
    if (twice !== undefined) throw new Error(`two rows of ${table.name} have the key ${twice}`)
    found[table.name] = sorted(table, own)
  }
  return found
}

/** The same without the column that depends on when things were shipped. */
export function withoutLag(rows: RowsByTable): RowsByTable {
  return { ...rows, pipeline_health: rows['pipeline_health']!.map((row) => ({ ...row, lag_ms: null })) }
}

async function tableRows(url: string, table: Table, source: string, headers: Headers): Promise<Row[]> {
  // Nanoseconds do not fit in a JSON number.
  const exact = (name: string) => `cast(cast(${quoteName(name)} as long) as string) ${quoteName(name)}`
  const columns = [
    exact('ts'),
    'source',
    'run',
    'service',
    'host',
    ...table.columns.map(({ name, type }) => (type === 'timestamp' ? exact(name) : quoteName(name))),
  ]
  const rows: Row[] = []
  for (;;) {
    const where = `where source = '${source}' order by ts, ${upsertKeys(table).map(quoteName).join(', ')}`
    const page = `limit ${rows.length}, ${rows.length + pageRows}`
    const sql = `select ${columns.join(', ')} from ${quoteName(table.name)} ${where} ${page}`
    const answer = await querySql(url, sql, headers)
    const names = answer.columns.map(({ name }) => name)
    for (const values of answer.rows) rows.push(Object.fromEntries(names.map((name, at) => [name, values[at]])) as Row)
    if (answer.rows.length < pageRows) return rows
  }
}

async function applied(url: string, table: Table, headers: Headers): Promise<void> {
  const sql = `select writerTxn = sequencerTxn from wal_tables() where name = '${table.name}'`
  while ((await querySql(url, sql, headers)).rows[0]?.[0] !== true) await sleep(20)
}

/** A row with every column of its table: what is absent is null. */
function complete(table: Table, row: Row): Row {
  const { ts, source, service, host, run } = row
  const values: [string, Value][] = table.columns.map(({ name }) => [name, row[name] ?? null])
  return { ts, source, service, host, ...(run === undefined ? {} : { run }), ...Object.fromEntries(values) }
}

function keyOf(table: Table, row: Row): string {
  return upsertKeys(table)
    .map((name) => String(row[name]))
    .join(' ')
}

function sorted(table: Table, rows: Row[]): Row[] {
  const keyed = rows.map((row) => ({ key: keyOf(table, row), row }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row)
}
