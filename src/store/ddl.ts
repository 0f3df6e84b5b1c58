import type { Column, Table } from '../measures/table.js'

const questdbTypes: Readonly<Record<Column['type'], string>> = {
  symbol: 'SYMBOL',
  long: 'LONG',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  timestamp: 'TIMESTAMP_NS',
}

/** Columns every table has beside its own: when, and of which process instance. */
export const commonColumns: readonly { name: string; sqlType: string }[] = [
  { name: 'ts', sqlType: 'TIMESTAMP_NS' },
  { name: 'source', sqlType: 'SYMBOL' },
  { name: 'service', sqlType: 'SYMBOL' },
  { name: 'host', sqlType: 'SYMBOL' },
]

/** A name as QuestDB wants it; several of ours (from, to, count, class) are words of SQL. */
export function quoteName(name: string): string {
  return `"${name}"`
}

/** QuestDB's type for a column of ours. */
export function sqlType(column: Column): string {
  return questdbTypes[column.type]
}

/**
 * `CREATE TABLE IF NOT EXISTS` for QuestDB 9. DEDUP makes writing the same rows twice harmless, which is what lets a restarted
 * normalizer repeat its last batch.
 */
export function createTableSql(table: Table): string {
  const columns = [
    ...commonColumns.map((column) => `${quoteName(column.name)} ${column.sqlType}`),
    ...table.columns.map((column) => `${quoteName(column.name)} ${sqlType(column)}`),
  ]
  const keys = ['ts', 'source', ...table.keys].map(quoteName)
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteName(table.name)} (${columns.join(', ')}) TIMESTAMP("ts") ` +
    `PARTITION BY DAY TTL ${table.ttlDays} DAYS WAL DEDUP UPSERT KEYS(${keys.join(', ')})`
  )
}
