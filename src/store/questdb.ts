import { UserError } from '../errors.js'
import type { Table } from '../measures/table.js'
import { retryForever } from '../retry.js'
import { addColumnSql, createTableSql, quoteName, storedColumns, upsertKeys, upsertKeysSql } from './ddl.js'
import type { QuestdbAddress } from './login.js'
import { LineEncoder } from './lines.js'
import { rowProblem } from './rows.js'
import { credentialsRefused, querySql, SqlError } from './sql.js'
import type { MayWrite, RejectedRow, Store, StoredRow } from './store.js'

/** Rows of one request: small enough to be written well within the request's time limit. */
const maxRowsPerFlush = 10_000
/** A request may take so long, and longer when it is large. */
const requestPatienceMs = 10_000
const slowestBytesPerMs = 100
/** Of what QuestDB says against a row. */
const longestReason = 500

/** `url` is that of the HTTP port, e.g. http://127.0.0.1:9000. */
export interface QuestdbOptions extends QuestdbAddress {
  readonly tables: readonly Table[]
  /** Called before every wait for a QuestDB that does not answer. */
  readonly onRetry: (error: Error, waitMs: number) => void
  /** Ends the waiting; what was being written is then not acknowledged, and the call throws. */
  readonly signal?: AbortSignal | undefined
}

/** The writer may not write any more: trying again would not change that. */
class Forbidden extends Error {}
const finalErrors = [SqlError, UserError, Forbidden]
const always: MayWrite = () => Promise.resolve()

/** Writes rows to QuestDB over HTTP. A request holds rows of one table, because only that is a transaction there. */
export class QuestdbStore implements Store {
  private readonly tables: ReadonlyMap<string, Table>
  private readonly headers: Record<string, string>

  constructor(private readonly options: QuestdbOptions) {
    this.tables = new Map(options.tables.map((table) => [table.name, table]))
    this.headers = authorization(options)
  }

  async prepare(): Promise<void> {
    for (const table of this.tables.values()) await this.retrying(() => this.prepareTable(table))
  }

  async write(rows: readonly StoredRow[], mayWrite: MayWrite = always): Promise<RejectedRow[]> {
    const rejected: RejectedRow[] = []
    const byTable = new Map<string, StoredRow[]>()
    for (const stored of rows) {
      const table = this.tables.get(stored.table)
      const reason = table === undefined ? `there is no table ${stored.table}` : rowProblem(table, stored.row)
      if (reason !== undefined) rejected.push({ ...stored, reason })
      else if (byTable.has(stored.table)) byTable.get(stored.table)!.push(stored)
      else byTable.set(stored.table, [stored])
    }
    try {
      // One request at a time: what is under way when a process is frozen cannot be called back.
      for (const [name, group] of byTable)
        for (let from = 0; from < group.length; from += maxRowsPerFlush) {
          const part = group.slice(from, from + maxRowsPerFlush)
          rejected.push(...(await this.writeTable(this.tables.get(name)!, part, mayWrite)))
        }
    } catch (error) {
      throw error instanceof Forbidden ? error.cause : error
    }
    return rejected
  }

  /**
   * When its disk is full, QuestDB takes rows into the log of a table and stops applying them: they are kept, and not seen until
   * somebody resumes the table.
   */
  async tend(): Promise<string[]> {
    const { rows } = await this.sql('select name from wal_tables() where suspended')
    const suspended = rows.map(([name]) => String(name)).filter((name) => this.tables.has(name))
    for (const name of suspended) await this.sql(`ALTER TABLE ${quoteName(name)} RESUME WAL`)
    return suspended
  }

  async close(): Promise<void> {
    // Connections that are not in use keep nobody alive.
  }

  private async writeTable(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    if ((await this.retrying(() => this.send(table, rows, mayWrite))) === undefined) return []
    // The table may have been dropped under us: that is no fault of the rows.
    await this.retrying(() => this.prepareTable(table))
    return this.isolate(table, rows, mayWrite)
  }

  /** Finds the rows QuestDB refuses by halving, and writes all others. */
  private async isolate(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    const reason = await this.retrying(() => this.send(table, rows, mayWrite))
    if (reason === undefined) return []
    if (rows.length === 1) return [{ ...rows[0]!, reason }]
    const middle = rows.length >> 1
    return [
      ...(await this.isolate(table, rows.slice(0, middle), mayWrite)),
      ...(await this.isolate(table, rows.slice(middle), mayWrite)),
    ]
  }

  /** Sends one request. @returns why QuestDB refuses it (400), undefined when it is stored. @throws Error when QuestDB cannot be reached. */
  private async send(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<string | undefined> {
    const lines = new LineEncoder(table)
    for (const { row } of rows) lines.add(row)
    await mayWrite().catch((cause: unknown) => {
      throw new Forbidden('the rows may not be written any more', { cause })
    })
    const { url } = this.options
    const response = await fetch(`${url}/write`, {
      method: 'POST',
      headers: this.headers,
      body: lines.bytes,
      signal: AbortSignal.timeout(requestPatienceMs + Math.ceil(lines.bytes.length / slowestBytesPerMs)),
    })
    const text = await response.text()
    if (response.ok) return undefined
    if (response.status === 401 || response.status === 403) throw credentialsRefused(url)
    if (response.status !== 400) throw new Error(`QuestDB answered ${response.status}: ${text.slice(0, 200)}`)
    return `QuestDB refuses it: ${text.slice(0, longestReason)}`
  }

  private async prepareTable(table: Table): Promise<void> {
    await this.sql(createTableSql(table))
    const { columns, rows } = await this.sql(`table_columns('${table.name}')`)
    const nameAt = columns.findIndex((column) => column.name === 'column')
    const keyAt = columns.findIndex((column) => column.name === 'upsertKey')
    const typeAt = columns.findIndex((column) => column.name === 'type')
    const existing = new Map(rows.map((row) => [String(row[nameAt]), String(row[typeAt])]))
    for (const column of storedColumns(table)) {
      const type = existing.get(column.name)
      if (type === undefined) await this.sql(addColumnSql(table, column))
      else if (type !== column.sqlType) throw new UserError(typeChanged(table, column, type))
    }
    const keys = rows.filter((row) => row[keyAt] === true).map((row) => String(row[nameAt]))
    if (keys.sort().join() !== upsertKeys(table).sort().join()) await this.sql(upsertKeysSql(table))
  }

  private async sql(statement: string) {
    return querySql(this.options.url, statement, this.headers)
  }

  private async retrying<T>(attempt: () => Promise<T>): Promise<T> {
    const { onRetry, signal } = this.options
    return retryForever(
      { onRetry, signal, isFinal: (error) => finalErrors.some((kind) => error instanceof kind) },
      attempt,
    )
  }
}

function authorization({ username, password, token }: QuestdbOptions): Record<string, string> {
  if (token !== undefined) return { authorization: `Bearer ${token.reveal()}` }
  if (username === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password?.reveal() ?? ''}`).toString('base64')}` }
}

function typeChanged({ name }: Table, column: { name: string; sqlType: string }, type: string): string {
  return (
    `QuestDB has ${name}.${column.name} as ${type}, and this version of dualtrace writes ${column.sqlType}: ` +
    `rename the old table (RENAME TABLE ${quoteName(name)} TO '${name}_old') and start again`
  )
}
