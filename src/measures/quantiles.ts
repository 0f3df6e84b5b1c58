import { quantile } from '../clock/quantile.js'
import type { Column, Value } from './table.js'

/** Columns for the exact quantiles of one quantity: `PART_p50_ns`, `PART_p90_ns`, `PART_p99_ns`, `PART_max_ns`. */
export function quantileColumns(part: string, what: string): Column[] {
  return [
    { name: `${part}_p50_ns`, type: 'long', doc: `${what}, median, ns` },
    { name: `${part}_p90_ns`, type: 'long', doc: `${what}, 90th percentile, ns` },
    { name: `${part}_p99_ns`, type: 'long', doc: `${what}, 99th percentile, ns` },
    { name: `${part}_max_ns`, type: 'long', doc: `${what}, largest, ns` },
  ]
}

/** Values of those columns; all null when there are no values. */
export function quantileValues(part: string, values: readonly number[]): Record<string, Value> {
  // Sorts several times as fast as an array does.
  const sorted = Float64Array.from(values).sort()
  return {
    [`${part}_p50_ns`]: quantile(sorted, 0.5),
    [`${part}_p90_ns`]: quantile(sorted, 0.9),
    [`${part}_p99_ns`]: quantile(sorted, 0.99),
    [`${part}_max_ns`]: quantile(sorted, 1),
  }
}
