import { expandMacros } from '../dashboards/macros.js'
import type { AlertRule } from './rule.js'
import type { Observation } from './state.js'

/** Runs one query; rows by column name, numbers perhaps as text (PostgreSQL's int8). */
export type RunQuery = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

/** Evaluates the rules at a moment: every row above its rule's threshold. */
export async function evaluateRules(
  rules: readonly AlertRule[],
  runQuery: RunQuery,
  nowMs: number,
): Promise<Observation[]> {
  const observations: Observation[] = []
  for (const rule of rules) {
    const rows = await runQuery(expandMacros(rule.sql, { fromMs: nowMs - rule.windowS * 1000, toMs: nowMs }))
    for (const row of rows) {
      // Number(null) would be 0: no value is no observation.
      const value = row['value'] === null ? NaN : Number(row['value'])
      if (!(value > rule.threshold)) continue
      const labels = Object.fromEntries(rule.labelColumns.map((column) => [column, labelText(row[column])]))
      observations.push({ rule: rule.uid, labels, value })
    }
  }
  return observations
}

function labelText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
