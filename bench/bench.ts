/** One comparison that `npm run bench` makes; prints its result to stdout. */
export interface Bench {
  readonly name: string
  readonly run: () => Promise<void>
}

/** The middle value of measurements. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
