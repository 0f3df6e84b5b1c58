/** What Grafana fills into a query before it sends it. */
export interface QueryContext {
  fromMs: number
  toMs: number
  /** Grafana's `$__interval`, e.g. `10s`; alert rules have none. */
  intervalMs?: number
  /** Values of the dashboard's variables, by name. */
  variables?: Readonly<Record<string, readonly string[]>>
}

const intervalUnits: readonly (readonly [suffix: string, ms: number])[] = [
  ['y', 31_536_000_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/**
 * Expands a query the way Grafana's PostgreSQL data source does: variables in the browser first (`${name:sqlstring}`), then
 * `$__interval_ms` and `$__interval` by plain replacement, then the macros, a function each.
 * Throws on a macro or variable that Grafana would reject or leave in place.
 */
export function expandMacros(sql: string, context: QueryContext): string {
  const expanded = expandIntervals(expandVariables(sql, context), context).replace(
    /\$(\w+)\(([^)]*)\)/g,
    (_, name: string, argument: string) => expandMacro(name, argument.trim(), context),
  )
  const left = /\$\{?\w+/.exec(expanded.replace(/'[^']*'/g, "''"))
  if (left) throw new Error(`nothing is known to put in place of "${left[0]}" in the query: ${sql}`)
  return expanded
}

/** Text Grafana gives an interval: the largest unit it fills, rounded down. */
export function intervalText(intervalMs: number): string {
  for (const [suffix, ms] of intervalUnits) {
    if (intervalMs >= ms) return `${Math.floor(intervalMs / ms)}${suffix}`
  }
  return `${intervalMs}ms`
}

function expandVariables(sql: string, context: QueryContext): string {
  return sql.replace(/\$\{(\w+):sqlstring\}/g, (whole, name: string) => {
    const values = context.variables?.[name]
    return values ? values.map((value) => `'${value.replaceAll("'", "''")}'`).join(',') : whole
  })
}

function expandIntervals(sql: string, { intervalMs }: QueryContext): string {
  if (intervalMs === undefined) return sql
  return sql.replaceAll('$__interval_ms', String(intervalMs)).replaceAll('$__interval', intervalText(intervalMs))
}

function expandMacro(name: string, argument: string, { fromMs, toMs }: QueryContext): string {
  const from = `'${new Date(fromMs).toISOString()}'`
  const to = `'${new Date(toMs).toISOString()}'`
  switch (name) {
    case '__timeFilter':
      return `${argument} BETWEEN ${from} AND ${to}`
    case '__timeFrom':
      return from
    case '__timeTo':
      return to
    default:
      throw new Error(`$${name}() is not among the macros our queries may use`)
  }
}
