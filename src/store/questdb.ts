import { setTimeout as sleep } from 'node:timers/promises'
import { HttpTransport, SenderOptions, type SenderTransport, UndiciTransport } from '@questdb/nodejs-client'
import { UserError } from '../errors.js'
import type { Table } from '../measures/table.js'
import { retryForever } from '../retry.js'
import { addColumnSql, createTableSql, keysBeside, quoteName, storedColumns, upsertKeysSql } from './ddl.js'
import { LineBuffer } from './lineBuffer.js'
import type { QuestdbAddress } from './login.js'
import { TableRows } from './rows.js'
import { certificateRefused, credentialsRefused, querySql, SqlError } from './sql.js'
import type { MayWrite, RejectedRow, Store, StoredRow } from './store.js'

/** Rows of one request: small enough to be written well within the request's time limit. */
const maxRowsPerRequest = 10_000
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

/**
 * Writes rows to QuestDB over HTTP. A request holds rows of all tables, as each request costs more than its rows do. It is a transaction for each table
 * only: after one that failed some rows may be there; those that are written again replace themselves.
 */
export class QuestdbStore implements Store {
  private readonly tables: ReadonlyMap<string, TableRows>
  private readonly headers: Record<string, string>
  private readonly buffer: LineBuffer
  private readonly transport: SenderTransport

  constructor(private readonly options: QuestdbOptions) {
    this.tables = new Map(options.tables.map((table) => [table.name, new TableRows(table)]))
    this.headers = authorization(options)
    // The client must not send anything a second time by itself: it would not ask whether these rows may still be written.
    const ownRetries = clientOptions(options, 0)
    this.buffer = new LineBuffer(ownRetries)
    this.transport = new HttpTransport(ownRetries)
  }

  async prepare(): Promise<void> {
    for (const { table } of this.tables.values()) await this.retrying(() => this.prepareTable(table))
  }

  async write(rows: readonly StoredRow[], mayWrite: MayWrite = always): Promise<RejectedRow[]> {
    const rejected: RejectedRow[] = []
    const valid: StoredRow[] = []
    for (const stored of rows) {
      const table = this.tables.get(stored.table)
      const reason = table === undefined ? `there is no table ${stored.table}` : table.problem(stored.row)
      if (reason === undefined) valid.push(stored)
      else rejected.push({ ...stored, reason })
    }
    try {
      for (let from = 0; from < valid.length; from += maxRowsPerRequest) {
        const part = valid.slice(from, from + maxRowsPerRequest)
        if (!(await this.send(part, mayWrite))) rejected.push(...(await this.writeByTable(part, mayWrite)))
      }
    } catch (error) {
      throw error instanceof Forbidden ? error.cause : error
    }
    return rejected
  }

  /** After a refusal: which table, and then which rows. */
  private async writeByTable(rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    const rejected: RejectedRow[] = []
    for (const name of new Set(rows.map(({ table }) => table))) {
      const own = rows.filter(({ table }) => table === name)
      rejected.push(...(await this.writeTable(this.tables.get(name)!, own, mayWrite)))
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
    await this.transport.close()
  }

  /** Rows stay here until QuestDB has acknowledged them. */
  private async writeTable(
    { table }: TableRows,
    rows: readonly StoredRow[],
    mayWrite: MayWrite,
  ): Promise<RejectedRow[]> {
    if (await this.send(rows, mayWrite)) return []
    // The table may have been dropped under us: that is no fault of the rows.
    await this.retrying(() => this.prepareTable(table))
    return this.isolate(rows, mayWrite)
  }

  /** Finds the rows QuestDB refuses by halving, and writes all others. */
  private async isolate(rows: readonly StoredRow[], mayWrite: MayWrite): Promise<RejectedRow[]> {
    if (await this.send(rows, mayWrite)) return []
    const first = rows[0]!
    if (rows.length === 1) return [{ ...first, reason: await this.reasonAgainst(first) }]
    const middle = rows.length >> 1
    return [
      ...(await this.isolate(rows.slice(0, middle), mayWrite)),
      ...(await this.isolate(rows.slice(middle), mayWrite)),
    ]
  }

  /** Sends rows until QuestDB answers: true when they are stored, false when it refuses them (400). */
  private async send(rows: readonly StoredRow[], mayWrite: MayWrite): Promise<boolean> {
    const lines = this.encode(rows)
    return this.retrying(() => this.attempt(lines, mayWrite))
  }

  /** Sends one request. Throws when QuestDB cannot be reached. */
  private async attempt(lines: Buffer, mayWrite: MayWrite): Promise<boolean> {
    await mayWrite().catch((cause: unknown) => {
      throw new Forbidden('the rows may not be written any more', { cause })
    })
    try {
      await this.transport.send(lines)
      return true
    } catch (error) {
      const { message } = error as Error
      if (refusal.test(message)) return false
      const { url } = this.options
      throw noEntry.test(message) ? credentialsRefused(url) : (certificateRefused(url, error) ?? error)
    }
  }

  /**
   * Why QuestDB refuses a row. The client's own HTTP drops the text of an error; its other transport (undici) keeps it, but
   * would wait for a QuestDB that is away for ever and in silence, so it is good for nothing but this.
   */
  private async reasonAgainst(row: StoredRow): Promise<string> {
    const attempt = new UndiciTransport(clientOptions(this.options, reasonPatienceMs)).send(this.encode([row])).then(
      () => 'QuestDB refused it once and then took it',
      (error: unknown) => refusal.exec((error as Error).message)?.[1],
    )
    const patience = sleep(reasonPatienceMs, undefined, { ref: false })
    return (await Promise.race([attempt, patience])) ?? 'QuestDB refuses it (status 400)'
  }

  private encode(rows: readonly StoredRow[]): Buffer {
    this.buffer.reset()
    for (const stored of rows) this.tables.get(stored.table)!.write(this.buffer, stored)
    return this.buffer.toBufferNew()
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
    const wanted = keysBeside(table, keys)
    if (keys.sort().join() !== wanted.toSorted().join()) await this.sql(upsertKeysSql(table, wanted))
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

function clientOptions({ url, username, password, token }: QuestdbOptions, retryMs: number): SenderOptions {
  const { protocol, hostname, port } = new URL(url)
  // The client would take 9000 for a URL without a port, where fetch takes the protocol's own.
  const address = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  const limits = `retry_timeout=${retryMs};init_buf_size=65536;`
  const options = new SenderOptions(`${protocol}:addr=${address};protocol_version=2;${limits}`)
  // Not in the text above: errors about that text quote it.
  if (username !== undefined) Object.assign(options, { username, password: password?.reveal() })
  if (token !== undefined) options.token = token.reveal()
  return options
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
