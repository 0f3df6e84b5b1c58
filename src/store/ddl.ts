import type { Column, Table } from '../measures/table.js'

/** QuestDB's type for each kind of column. TIMESTAMP_NS keeps the nanoseconds that TIMESTAMP (µs) would cut. */
const sqlType: Record<Column['type'], string> = {
  symbol: 'SYMBOL',
  long: 'LONG',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  timestamp: 'TIMESTAMP_NS',
}

/** Names like "from", "to", "count" and "class" are SQL keywords, so every name is quoted. */
export function quoted(name: string): string {
  return `"${name}"`
}

/** Columns that identify a row: writing a row with the same values replaces it. */
export function upsertKeys(table: Table): string[] {
  return ['ts', 'source', ...table.keys]
}

/** All columns of a table in the store, in order, the designated timestamp first. */
export function storedColumns(table: Table): { name: string; sqlType: string }[] {
  const common = ['source', 'service', 'host'].map((name) => ({ name, sqlType: sqlType.symbol }))
  const own = table.columns.map((column) => ({ name: column.name, sqlType: sqlType[column.type] }))
  return [{ name: 'ts', sqlType: 'TIMESTAMP_NS' }, ...common, ...own]
}

/** `CREATE TABLE IF NOT EXISTS …`: WAL, a partition a day, rows replaced by key, and old partitions dropped after `ttlDays`. */
export function createTableSql(table: Table): string {
  const columns = storedColumns(table).map((column) => `${quoted(column.name)} ${column.sqlType}`)
  return [
    `CREATE TABLE IF NOT EXISTS ${quoted(table.name)} (${columns.join(', ')})`,
    'TIMESTAMP(ts) PARTITION BY DAY',
    `TTL ${table.ttlDays} DAYS WAL`,
    `DEDUP UPSERT KEYS(${upsertKeys(table).map(quoted).join(', ')})`,
  ].join(' ')
}

export function addColumnSql(table: Table, column: { name: string; sqlType: string }): string {
  return `ALTER TABLE ${quoted(table.name)} ADD COLUMN IF NOT EXISTS ${quoted(column.name)} ${column.sqlType}`
}

export function upsertKeysSql(table: Table): string {
  return `ALTER TABLE ${quoted(table.name)} DEDUP ENABLE UPSERT KEYS(${upsertKeys(table).map(quoted).join(', ')})`
}
