/** The smallest value such that at least the share `q` of all values is not larger (nearest rank); null when there are none. */
export function quantile(sorted: ArrayLike<number>, q: number): number | null {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null
}
