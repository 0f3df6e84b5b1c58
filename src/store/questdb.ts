import { setTimeout as sleep } from 'node:timers/promises'
import { Sender, SenderOptions } from '@questdb/nodejs-client'
import { UserError } from '../errors.js'
import type { Table } from '../measures/table.js'
import { retryForever } from '../retry.js'
import { addColumnSql, createTableSql, quoteName, storedColumns, upsertKeys, upsertKeysSql } from './ddl.js'
import type { QuestdbAddress } from './login.js'
import { rowProblem, sendRow } from './rows.js'
import { credentialsRefused, querySql, SqlError } from './sql.js'
import type { MayWrite, RejectedRow, Store, StoredRow } from './store.js'

/** Rows of one request: small enough to be written well within the request's time limit. */
const maxRowsPerFlush = 10_000
/** How long the client itself retries before our own loop says why it waits. */
const clientRetryMs = 3000
const reasonPatienceMs = 5000
const refusal = /statusCode=400, error=(.*)/s
const noEntry = /statusCode=40[13]\b/

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

/** Writes rows to QuestDB over HTTP. One flush holds rows of one table, because only that is a transaction there. */
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
      for (const [name, group] of byTable)
        for (let from = 0; from < group.length; from += maxRowsPerFlush)
          rejected.push(
            ...(await this.writeTable(this.tables.get(name)!, group.slice(from, from + maxRowsPerFlush), mayWrite)),
          )
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
    // Every flush has its own sender: nothing is kept open.
  }

  /** Rows stay here until QuestDB has acknowledged them: the client empties its buffer before it sends. */
  private async writeTable(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    if (await this.retrying(() => this.flush(table, rows, mayWrite))) return []
    // The table may have been dropped under us: that is no fault of the rows.
    await this.retrying(() => this.prepareTable(table))
    return this.isolate(table, rows, mayWrite)
  }

  /** Finds the rows QuestDB refuses by halving, and writes all others. */
  private async isolate(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    if (await this.retrying(() => this.flush(table, rows, mayWrite))) return []
    const first = rows[0]!
    if (rows.length === 1) return [{ ...first, reason: await this.reasonAgainst(table, first) }]
    const middle = rows.length >> 1
    return [
      ...(await this.isolate(table, rows.slice(0, middle), mayWrite)),
      ...(await this.isolate(table, rows.slice(middle), mayWrite)),
    ]
  }

  /** Sends one request: true when it is stored, false when QuestDB refuses it (400). Throws when QuestDB cannot be reached. */
  private async flush(table: Table, rows: readonly StoredRow[], mayWrite: MayWrite): Promise<boolean> {
    await mayWrite().catch((cause: unknown) => {
      throw new Forbidden('the rows may not be written any more', { cause })
    })
    try {
      await this.send(table, rows, 'stdlib_http=on;')
      return true
    } catch (error) {
      const { message } = error as Error
      if (refusal.test(message)) return false
      throw noEntry.test(message) ? credentialsRefused(this.options.url) : error
    }
  }

  /**
   * Why QuestDB refuses a row. The client's own HTTP drops the text of an error; its other transport (undici) keeps it, but
   * would wait for a QuestDB that is away for ever and in silence, so it is good for nothing but this.
   */
  private async reasonAgainst(table: Table, row: StoredRow): Promise<string> {
    const attempt = this.send(table, [row], '').then(
      () => 'QuestDB refused it once and then took it',
      (error: unknown) => refusal.exec((error as Error).message)?.[1],
    )
    const patience = sleep(reasonPatienceMs, undefined, { ref: false })
    return (await Promise.race([attempt, patience])) ?? 'QuestDB refuses it (status 400)'
  }

  private async send(table: Table, rows: readonly StoredRow[], settings: string): Promise<void> {
    const options = await SenderOptions.fromConfig(this.senderConfig() + settings)
    // Not in the text above: errors about that text quote it.
    const { username, password, token } = this.options
    if (username !== undefined) Object.assign(options, { username, password: password?.reveal() })
    if (token !== undefined) options.token = token.reveal()
    const sender = new Sender(options)
    try {
      for (const { row } of rows) await sendRow(sender, table, row)
      await sender.flush()
    } finally {
      await sender.close()
    }
  }

  private senderConfig(): string {
    const { protocol, hostname, port } = new URL(this.options.url)
    // The client would take 9000 for a URL without a port, where fetch takes the protocol's own.
    const address = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
    const limits = `auto_flush=off;retry_timeout=${clientRetryMs};init_buf_size=65536;`
    return `${protocol}:addr=${address};protocol_version=2;${limits}`
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
