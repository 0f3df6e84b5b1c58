import type { Column, Table } from '../measures/table.js'

const questdbTypes: Readonly<Record<Column['type'], string>> = {
  symbol: 'SYMBOL',
  long: 'LONG',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  timestamp: 'TIMESTAMP_NS',
}

/** Columns every table has beside its own: when, of which process instance, and from which recording of it. */
export const commonColumns: readonly { name: string; sqlType: string }[] = [
  { name: 'ts', sqlType: 'TIMESTAMP_NS' },
  { name: 'source', sqlType: 'SYMBOL' },
  { name: 'run', sqlType: 'SYMBOL' },
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

/** Columns that identify a row: writing a row with the same values replaces it. Two runs of a source may share a second, so rows of both stay. */
export function upsertKeys(table: Table): string[] {
  return ['ts', 'source', 'run', ...table.keys]
}

/** All columns of a table in the store, the designated timestamp first. */
export function storedColumns(table: Table): { name: string; sqlType: string }[] {
  return [...commonColumns, ...table.columns.map((column) => ({ name: column.name, sqlType: sqlType(column) }))]
}

/**
 * `CREATE TABLE IF NOT EXISTS` for QuestDB 9. DEDUP makes writing the same rows twice harmless, which is what lets a restarted
 * normalizer repeat its last batch.
 */
export function createTableSql(table: Table): string {
  const columns = storedColumns(table).map((column) => `${quoteName(column.name)} ${column.sqlType}`)
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteName(table.name)} (${columns.join(', ')}) TIMESTAMP("ts") ` +
    `PARTITION BY DAY TTL ${table.ttlDays} DAYS WAL DEDUP UPSERT KEYS(${nameList(upsertKeys(table))})`
  )
}

/** Adds a column that a newer version of the table has; rows written before hold null in it. */
export function addColumnSql(table: Table, column: { name: string; sqlType: string }): string {
  return `ALTER TABLE ${quoteName(table.name)} ADD COLUMN IF NOT EXISTS ${quoteName(column.name)} ${column.sqlType}`
}

/**
 * Upsert keys for an existing table: those of its definition, and columns that only a newer version knows. Without them rows of that version would
 * replace each other; ours hold null there, and still replace themselves.
 */
export function keysBeside(table: Table, existing: readonly string[]): string[] {
  const ours = new Set(storedColumns(table).map(({ name }) => name))
  return [...upsertKeys(table), ...existing.filter((name) => !ours.has(name))]
}

/** Gives an existing table other upsert keys. */
export function upsertKeysSql(table: Table, keys: readonly string[]): string {
  return `ALTER TABLE ${quoteName(table.name)} DEDUP ENABLE UPSERT KEYS(${nameList(keys)})`
}

function nameList(names: readonly string[]): string {
  return names.map(quoteName).join(', ')
}
