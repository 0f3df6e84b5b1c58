import type { SenderBuffer } from '@questdb/nodejs-client'
import type { Column, Row, Table, Value } from '../measures/table.js'
import type { StoredRow } from './store.js'

type Check = (value: Value) => boolean

const isDecimal: Check = (value) => typeof value === 'string' && /^-?\d{1,19}$/.test(value)

/** What a value of each column type must be; null is always allowed and stored as an absent column. */
const checks: Record<Column['type'], { check: Check; wants: string }> = {
  symbol: { check: (value) => typeof value === 'string', wants: 'a text' },
  text: { check: (value) => typeof value === 'string', wants: 'a text' },
  long: { check: (value) => Number.isSafeInteger(value), wants: 'an integer below 2^53' },
  double: { check: (value) => Number.isFinite(value), wants: 'a finite number' },
  boolean: { check: (value) => typeof value === 'boolean', wants: 'true or false' },
  timestamp: { check: isDecimal, wants: 'nanoseconds as a decimal string' },
}

const commonKeys = ['ts', 'source', 'service', 'host']

/** How rows of one table are told to QuestDB's client. */
export class TableRows {
  private readonly symbols: readonly Column[]
  private readonly others: readonly Column[]
  private readonly known: ReadonlySet<string>

  constructor(readonly table: Table) {
    this.symbols = table.columns.filter(({ type }) => type === 'symbol')
    this.others = table.columns.filter(({ type }) => type !== 'symbol')
    this.known = new Set([...commonKeys, ...table.columns.map(({ name }) => name)])
  }

  /** Why the row cannot be stored in the table; undefined when it can. The client would throw in the middle of such a row. */
  problem(row: Row): string | undefined {
    if (!isDecimal(row.ts)) return `ts is ${JSON.stringify(row.ts)}, not ${checks.timestamp.wants}`
    for (const { name, type } of this.table.columns) {
      const value = row[name]
      if (value === undefined || value === null) continue
      const { check, wants } = checks[type]
      if (!check(value)) return `${name} is ${JSON.stringify(value)}, not ${wants}`
    }
    for (const key in row) if (!this.known.has(key)) return `${this.table.name} has no column ${key}`
    return undefined
  }

  /** Adds a row that has no problem to the client's buffer. Symbols come first: the line protocol wants it so. */
  write(buffer: SenderBuffer, { row, run }: StoredRow): void {
    buffer.table(this.table.name)
    buffer.symbol('source', row.source).symbol('run', run).symbol('service', row.service).symbol('host', row.host)
    for (const { name } of this.symbols) {
      const value = row[name]
      if (typeof value === 'string') buffer.symbol(name, value)
    }
    for (const { name, type } of this.others) {
      const value = row[name]
      if (value === undefined || value === null) continue
      if (typeof value === 'boolean') buffer.booleanColumn(name, value)
      else if (typeof value === 'number' && type === 'long') buffer.intColumn(name, value)
      else if (typeof value === 'number') buffer.floatColumn(name, value)
      else if (type === 'timestamp') buffer.timestampColumn(name, BigInt(value), 'ns')
      else buffer.stringColumn(name, value)
    }
    buffer.at(BigInt(row.ts), 'ns')
  }
}
