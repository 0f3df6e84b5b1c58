import type { Column } from './table.js'

/** Columns for the exact quantiles of one quantity: `PART_p50_ns`, `PART_p90_ns`, `PART_p99_ns`, `PART_max_ns`. */
export function quantileColumns(part: string, what: string): Column[] {
  return [
    { name: `${part}_p50_ns`, type: 'long', doc: `${what}, median, ns` },
    { name: `${part}_p90_ns`, type: 'long', doc: `${what}, 90th percentile, ns` },
    { name: `${part}_p99_ns`, type: 'long', doc: `${what}, 99th percentile, ns` },
    { name: `${part}_max_ns`, type: 'long', doc: `${what}, largest, ns` },
  ]
}
