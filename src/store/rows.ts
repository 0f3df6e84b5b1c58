import type { Sender } from '@questdb/nodejs-client'
import type { Column, Row, Table, Value } from '../measures/table.js'

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

const commonKeys = new Set(['ts', 'source', 'service', 'host'])

/** Why the row cannot be stored in the table; undefined when it can. The client would throw in the middle of such a row. */
export function rowProblem(table: Table, row: Row): string | undefined {
  if (!isDecimal(row.ts)) return `ts is ${JSON.stringify(row.ts)}, not ${checks.timestamp.wants}`
  for (const column of table.columns) {
    const value = row[column.name]
    if (value === undefined || value === null) continue
    const { check, wants } = checks[column.type]
    if (!check(value)) return `${column.name} is ${JSON.stringify(value)}, not ${wants}`
  }
  const known = new Set(table.columns.map((column) => column.name))
  const unknown = Object.keys(row).find((key) => !commonKeys.has(key) && !known.has(key))
  return unknown === undefined ? undefined : `${table.name} has no column ${unknown}`
}

/** Adds a row that has no problem to the sender's buffer. Symbols come first: the line protocol wants it so. */
export async function sendRow(sender: Sender, table: Table, row: Row): Promise<void> {
  sender.table(table.name).symbol('source', row.source).symbol('service', row.service).symbol('host', row.host)
  for (const column of table.columns) {
    const value = row[column.name]
    if (column.type === 'symbol' && typeof value === 'string') sender.symbol(column.name, value)
  }
  for (const column of table.columns) {
    const value = row[column.name]
    if (value === undefined || value === null || column.type === 'symbol') continue
    if (typeof value === 'boolean') sender.booleanColumn(column.name, value)
    else if (typeof value === 'number' && column.type === 'long') sender.intColumn(column.name, value)
    else if (typeof value === 'number') sender.floatColumn(column.name, value)
    else if (column.type === 'timestamp') sender.timestampColumn(column.name, BigInt(value), 'ns')
    else sender.stringColumn(column.name, value)
  }
  await sender.at(BigInt(row.ts), 'ns')
}
